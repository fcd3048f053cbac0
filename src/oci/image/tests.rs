//! Layers in and out, and everything that strangers have tried with tars.

mod hostile;
mod layers;
mod made;
