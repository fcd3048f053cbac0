//! Units: lessons and labs, as data.
