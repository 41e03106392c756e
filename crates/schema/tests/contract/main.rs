//! What others rely on: the wire, the rules, the rows and the dead letters, seen from outside.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod flat_dialect;
#[cfg(test)]
mod given;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod mapping;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod secrets;
