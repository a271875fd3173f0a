//! The macro that makes the structs of a configuration and the table of members from the rows in `members.rs`.

/// A row has the member's documentation, its name and type, its group, its variable and a hint that says what to write.
/// A row may also have a flag of the command `portcullis` with its placeholder, other names that errors of the builders use
/// for it (`options`), and names that are easily mistaken for its own.
macro_rules! members {
    ($(
        $(#[$of_struct:meta])*
        $config:ident {
            $(
                $(#[doc = $about:literal])+
                $name:ident: $type:ty, $group:ident {
                    variable: $variable:literal,
                    hint: $hint:literal,
                    $(flag: $flag:expr,)?
                    $(options: [$($option:literal),+],)?
                    $(mistaken: [$($mistaken:literal),+],)?
                }
            )+
        }
        $({ $($(#[$of_extra:meta])* $visibility:vis $extra:ident: $extra_type:ty,)+ })?
    )+) => {
        $(
            $(#[$of_struct])*
            #[derive(Clone, Debug, Eq, PartialEq, Serialize)]
            #[non_exhaustive]
            pub struct $config {
                $(
                    $(#[doc = $about])+
                    #[serde(skip_serializing_if = "Field::is_absent")]
                    pub $name: $type,
                )+
                $($($(#[$of_extra])* $visibility $extra: $extra_type,)+)?
            }

            impl $config {
                /// Without any member.
                pub(super) fn empty() -> Self {
                    Self {
                        $($name: <$type>::default(),)+
                        $($($extra: <$extra_type>::empty(),)+)?
                    }
                }

                /// Whether the member `name` is set.
                pub(super) fn has(&self, name: &str) -> bool {
                    $(
                        if name == stringify!($name) {
                            return !self.$name.is_absent();
                        }
                    )+
                    false
                }

                /// Takes the members from `reader`, which records what is wrong with them.
                pub(super) fn read(reader: &mut Reader) -> Self {
                    Self {
                        $($name: reader.take(stringify!($name)),)+
                        $($($extra: <$extra_type>::read(reader),)+)?
                    }
                }
            }
        )+

        pub(super) static MEMBERS: &[Member] = &[$($(
            Member {
                name: stringify!($name),
                group: MemberGroup::$group,
                about: concat!($($about, "\n"),+),
                variable: $variable,
                flag: optional!($($flag)?),
                hint: $hint,
                options: &[$($($option),+)?],
                mistaken: &[$($($mistaken),+)?],
                form: <$type as Field>::FORM,
                check: |value| <$type as Field>::read(value).map(drop),
                #[cfg(test)]
                required: <$type as Field>::REQUIRED,
                restricts: <$type as Field>::RESTRICTS,
                #[cfg(test)]
                schema: <$type as Field>::schema,
            },
        )+)+];
    };
}

/// `None`, or `Some` of the value that a row has.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(super) use {members, optional};
