//! `filters=` of a request: which of many things are meant.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Fault;
use crate::build::pattern::{NoPattern, Pattern};

/// The values for each key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads `{"key": ["value"]}`, or `{"key": {"value": true}}` as clients wrote it before API 1.22.
    ///
    /// # Errors
    /// It is neither, or has a key that is not among `known`.
    pub fn read(text: Option<&str>, known: &[&str]) -> Result<Self, Fault> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Filters::default()) };
        let map: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|_| Fault::bad("invalid filter"))?;
        let mut filters = BTreeMap::new();
        for (key, values) in map {
            if !known.contains(&key.as_str()) {
                return Err(Fault::bad(format!("invalid filter '{key}'")));
            }
            let values: Option<Vec<String>> = match values {
                Value::Array(list) => list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect(),
                Value::Object(set) => Some(set.into_iter().filter(|(_, on)| on == &Value::Bool(true)).map(|(value, _)| value).collect()),
                _ => None,
            };
            filters.insert(key, values.ok_or_else(|| Fault::bad("invalid filter"))?);
        }
        Ok(Filters(filters))
    }

    /// The values of a key; none if it was not given.
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The values of a key as patterns, as Go's `path.Match` reads them.
    ///
    /// # Errors
    /// One is no pattern.
    pub fn patterns(&self, key: &str) -> Result<Vec<Pattern>, Fault> {
        let wrong = |why: NoPattern| Fault::bad(format!("invalid filter '{key}={}': {why}", why.0));
        self.values(key).iter().map(|text| Pattern::read(text, false).map_err(wrong)).collect()
    }

    /// A key that is true or false.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        match self.values(key).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(None),
            ["1" | "true" | "True" | "TRUE" | "t"] => Ok(Some(true)),
            ["0" | "false" | "False" | "FALSE" | "f"] => Ok(Some(false)),
            _ => Err(Fault::bad(format!("invalid filter '{key}={:?}'", self.values(key)))),
        }
    }

    /// Whether labels fit all `label=NAME` and `label=NAME=VALUE`, and none of `label!=`.
    pub fn fits_labels(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.and_then(|labels| labels.get(name)).is_some_and(|is| is == value),
            None => labels.is_some_and(|labels| labels.contains_key(wanted)),
        };
        self.values("label").iter().all(has) && !self.values("label!").iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same() {
        let new = Filters::read(Some(r#"{"label":["a","b=c"]}"#), &["label"]).unwrap();
        let old = Filters::read(Some(r#"{"label":{"a":true,"b=c":true,"d":false}}"#), &["label"]).unwrap();
        assert_eq!(new, old);
        assert_eq!(Filters::read(Some(r#"{"colour":["red"]}"#), &["label"]).unwrap_err().message, "invalid filter 'colour'");
        assert!(Filters::read(Some("{"), &[]).is_err());
    }

    #[test]
    fn labels_are_wanted_by_name_or_value() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let fits = |text: &str| Filters::read(Some(text), &["label", "label!"]).unwrap().fits_labels(Some(&labels));
        assert!(fits(r#"{"label":["a"]}"#) && fits(r#"{"label":["a=1"]}"#) && fits("{}"));
        assert!(!fits(r#"{"label":["a=2"]}"#) && !fits(r#"{"label":["b"]}"#) && !fits(r#"{"label!":["a"]}"#));
    }
}
