//! How a part of the model is written: which fields are left out, and the macro that lists a struct's fields once.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use serde_json::{Map, Value};

/// What the model is printed as. JSON knows no `x-` keys below the top, and cannot leave out structs that are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As `docker compose config` prints it.
    Yaml,
    /// As `docker compose config --format json` prints it.
    Json,
}

/// A value of the model that can be written.
pub trait Part {
    /// The value as it is printed.
    fn value(&self, form: Form) -> Value;
    /// Whether a field with this value is left out.
    fn is_left_out(&self, form: Form) -> bool;
}

impl Part for String {
    fn value(&self, _: Form) -> Value {
        Value::String(self.clone())
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl Part for bool {
    fn value(&self, _: Form) -> Value {
        Value::Bool(*self)
    }
    fn is_left_out(&self, _: Form) -> bool {
        !self
    }
}

impl Part for i64 {
    fn value(&self, _: Form) -> Value {
        Value::from(*self)
    }
    fn is_left_out(&self, _: Form) -> bool {
        *self == 0
    }
}

impl Part for f32 {
    fn value(&self, _: Form) -> Value {
        // By way of the text: 0.1 is 0.1 in both widths, and not 0.10000000149011612.
        let wide: f64 = self.to_string().parse().unwrap_or_default();
        if wide.fract() == 0.0 && wide.abs() < 1e6 { Value::from(wide as i64) } else { Value::from(wide) }
    }
    fn is_left_out(&self, _: Form) -> bool {
        *self == 0.0
    }
}

impl<T: Part> Part for Option<T> {
    fn value(&self, form: Form) -> Value {
        self.as_ref().map_or(Value::Null, |part| part.value(form))
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.is_none()
    }
}

impl<T: Part> Part for Vec<T> {
    fn value(&self, form: Form) -> Value {
        self.iter().map(|part| part.value(form)).collect()
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Part> Part for BTreeMap<String, T> {
    fn value(&self, form: Form) -> Value {
        let mut entries: Vec<(&String, &T)> = self.iter().collect();
        if form == Form::Yaml {
            entries.sort_by(|one, other| super::scalar::natural(one.0, other.0));
        }
        Value::Object(entries.into_iter().map(|(name, part)| (name.clone(), part.value(form))).collect())
    }
    fn is_left_out(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl Part for Value {
    fn value(&self, _: Form) -> Value {
        self.clone()
    }
    fn is_left_out(&self, _: Form) -> bool {
        false
    }
}

/// A value that is written even when there is nothing in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Always<T>(pub T);

impl<T: Part> Part for Always<T> {
    fn value(&self, form: Form) -> Value {
        self.0.value(form)
    }
    fn is_left_out(&self, _: Form) -> bool {
        false
    }
}

impl<T> Deref for Always<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Always<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Adds a field to what is written, unless it is left out.
pub fn add(into: &mut Map<String, Value>, key: &str, part: &dyn Part, form: Form) {
    if !part.is_left_out(form) {
        into.insert(key.to_owned(), part.value(form));
    }
}

/// Adds the `x-` keys.
pub fn extend(into: &mut Map<String, Value>, extensions: &super::Extensions) {
    let mut entries: Vec<_> = extensions.iter().collect();
    entries.sort_by(|one, other| super::scalar::natural(one.0, other.0));
    into.extend(entries.into_iter().map(|(key, value)| (key.clone(), value.clone())));
}

/// Declares structs of the model: the key in files, the field, its type; `+ extensions` if it may hold `x-` keys.
///
/// One list of fields serves declaring, reading and writing, so that none can forget one. (Derives would say the same, and cost
/// every check of the crate many times as much.)
macro_rules! part {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* $key:literal $field:ident: $kind:ty,)*
    } $(+ $extensions:ident)? $(unwritten { $($(#[$about:meta])* $silent:ident: $sort:ty,)* })?)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
            $(
                /// The keys that begin with `x-`.
                pub $extensions: $crate::compose::types::Extensions,
            )?
            $($($(#[$about])* pub $silent: $sort,)*)?
        }

        impl $crate::compose::types::part::Part for $name {
            fn value(&self, form: $crate::compose::types::part::Form) -> serde_json::Value {
                let mut map = serde_json::Map::new();
                $($crate::compose::types::part::add(&mut map, $key, &self.$field, form);)*
                $(if form == $crate::compose::types::part::Form::Yaml {
                    $crate::compose::types::part::extend(&mut map, &self.$extensions);
                })?
                serde_json::Value::Object(map)
            }

            fn is_left_out(&self, form: $crate::compose::types::part::Form) -> bool {
                // Nothing but a struct of nothing is left out, and in JSON not even that.
                form == $crate::compose::types::part::Form::Yaml && *self == Self::default()
            }
        }

        impl $crate::compose::read::Read for $name {
            fn read(
                node: &$crate::compose::yaml::Node,
                path: &$crate::compose::path::Path,
            ) -> Result<Self, $crate::compose::error::Error> {
                let mut part = Self::default();
                if node.is_null() {
                    return Ok(part);
                }
                let map = $crate::compose::read::mapping(node, path)?;
                $(if let Some(value) = map.get($key) {
                    part.$field = $crate::compose::read::Read::read(value, &path.key($key))?;
                })*
                $(part.$extensions = $crate::compose::read::extensions(map);)?
                Ok(part)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::compose::types::part::{Form, Part};
                self.value(Form::Yaml).serialize(serializer)
            }
        }
    )*};
}
pub(crate) use part;
