//! The twelve fields of a user, and which of them were asked for.

/// One field of a user, in the order of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// `gender`
    Gender,
    /// `name`
    Name,
    /// `location`
    Location,
    /// `email`
    Email,
    /// `login`
    Login,
    /// `dob`
    Dob,
    /// `registered`
    Registered,
    /// `phone`
    Phone,
    /// `cell`
    Cell,
    /// `id`
    Id,
    /// `picture`
    Picture,
    /// `nat`
    Nat,
}

impl Field {
    /// All of them, in the order of the answer.
    pub const ALL: [Self; 12] = [
        Self::Gender,
        Self::Name,
        Self::Location,
        Self::Email,
        Self::Login,
        Self::Dob,
        Self::Registered,
        Self::Phone,
        Self::Cell,
        Self::Id,
        Self::Picture,
        Self::Nat,
    ];

    /// Its key in the answer and its name in `inc` and `exc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gender => "gender",
            Self::Name => "name",
            Self::Location => "location",
            Self::Email => "email",
            Self::Login => "login",
            Self::Dob => "dob",
            Self::Registered => "registered",
            Self::Phone => "phone",
            Self::Cell => "cell",
            Self::Id => "id",
            Self::Picture => "picture",
            Self::Nat => "nat",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u8)
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// Every field.
    pub const ALL: Self = Self(0xfff);

    /// `inc` less `exc`, both comma lists. An empty `inc` means every field; unknown names are ignored.
    pub fn asked(inc: &str, exc: &str) -> Self {
        let included = if inc.is_empty() { Self::ALL } else { Self::named(inc) };
        Self(included.0 & !Self::named(exc).0)
    }

    /// True when the field is in the set.
    pub fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    fn named(list: &str) -> Self {
        let names = list.split(',').map(str::trim);
        Self(names.fold(0, |set, name| {
            let field = Field::ALL.iter().find(|field| field.name().eq_ignore_ascii_case(name));
            set | field.map_or(0, |field| field.bit())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fields: Fields) -> Vec<&'static str> {
        Field::ALL.into_iter().filter(|f| fields.contains(*f)).map(Field::name).collect()
    }

    #[test]
    fn inc_and_exc_are_trimmed_case_folded_lists() {
        assert_eq!(names(Fields::asked("Email, gender", "")), ["gender", "email"]);
        assert_eq!(names(Fields::asked("email,gender", "GENDER")), ["email"]);
        assert_eq!(names(Fields::asked("", "login")).len(), 11);
        assert_eq!(Fields::asked("", ""), Fields::ALL);
        assert_eq!(names(Fields::asked("shoe size", "")), Vec::<&str>::new());
    }
}
