//! The macro that reads the table in `invalid_token.rs`.

/// Makes the closed list of reasons and the errors that lead to them, from one table.
///
/// An entry is one reason with its error:
///
/// ```text
/// /// When a token is refused for this reason: the documentation of both variants.
/// Variant "wire_name", "Sentence for clients", log "text for logs, with its {field}" {
///     /// What the field holds.
///     field: Type
/// }
/// ```
///
/// The fields are optional. A part that is left out does not compile.
macro_rules! invalid_token_table {
    (
        $(#[$reason_attribute:meta])*
        pub enum Reason;

        $(#[$error_attribute:meta])*
        pub enum InvalidToken;

        $(
            $(#[doc = $doc:literal])+
            $variant:ident $name:literal, $sentence:literal, log $log:literal
            $({ $( $(#[doc = $field_doc:literal])+ $field:ident: $field_type:ty ),+ })?
        )+
    ) => {
        $(#[$reason_attribute])*
        pub enum Reason {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Named `", $name, "`. Clients are told: \"", $sentence, "\".")]
                $variant,
            )+
        }

        impl Reason {
            /// Every reason, in the order of the variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name: the member `reason` of the body, and the label for logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The fixed sentence for clients, in the character set of RFC 6750 §3.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)+
                }
            }
        }

        $(#[$error_attribute])*
        pub enum InvalidToken {
            $(
                $(#[doc = $doc])+
                #[error($log)]
                $variant $({ $( $(#[doc = $field_doc])+ $field: $field_type ),+ })?,
            )+
        }

        impl InvalidToken {
            /// The stable reason: the one with the name of the variant.
            #[must_use]
            pub const fn reason(&self) -> Reason {
                match self {
                    $(Self::$variant { .. } => Reason::$variant,)+
                }
            }

            /// One error for each reason, with empty fields.
            #[cfg(test)]
            pub(crate) fn samples() -> Vec<Self> {
                vec![$(Self::$variant $({ $($field: Default::default()),+ })?,)+]
            }
        }
    };
}

pub(super) use invalid_token_table;
