//! Words in a picture, between the models that find and read them: a picture becomes what the first is given, its map becomes lines,
//! each line becomes a strip for the second, and what that gives becomes a text.

mod alphabet;
mod contacts;
mod lines;
mod page;
mod strip;
mod written;

pub use alphabet::Alphabet;
pub use contacts::contacts;
pub use lines::{Quad, lines};
pub use page::page;
pub use strip::{Strip, strip};
pub use written::{ReadLine, written};
