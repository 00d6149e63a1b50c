//! What a binding keeps alive.

/// Something that a binding needs for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The live set in one of its slots.
    Set(u32),
    /// The operator that makes its rows.
    Operator(u32),
}

impl Hold {
    /// The set, if it is one.
    pub(crate) fn set(&self) -> Option<u32> {
        match self {
            Hold::Set(set) => Some(*set),
            Hold::Operator(_) => None,
        }
    }
}
