//! Words that stand in a picture.

use super::listing::Span;

/// What was read in one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The lines from top to bottom, a line break between them.
    pub text: String,
    /// Where each stands, in the order of the text.
    pub lines: Vec<WrittenLine>,
    /// How to reach somebody.
    pub contacts: Vec<Contact>,
}

/// A line of words.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenLine {
    /// Where, in [`Written::text`].
    pub span: Span,
    /// Corners from the top left of the line on, clockwise: x and y as fractions of the picture's width and height.
    pub corners: [[f32; 2]; 4],
    /// How sure its characters are on average, in 0 to 1.
    pub confidence: f32,
}

/// A way to reach somebody past the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Which.
    pub kind: ContactKind,
    /// Where number or name stand, in [`Written::text`].
    pub span: Span,
}

/// Kinds of contact details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContactKind {
    /// A telephone number.
    Phone,
    /// A name at WeChat.
    WeChat,
    /// A number at QQ.
    Qq,
}

impl ContactKind {
    /// The name used in reasons.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::WeChat => "wechat",
            Self::Qq => "qq",
        }
    }
}
