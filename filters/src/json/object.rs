//! `wire_object!`: loose wire structs read in one pass.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess};

use super::{Extra, Raw, Str};

/// Reads one member into `slot`; a `null` goes to `rest`, so that it can be written again as it came.
#[doc(hidden)]
pub struct Field<'s, 'a, T> {
    /// The member's name.
    pub key: &'static str,
    /// Where its value goes.
    pub slot: &'s mut Option<T>,
    /// Where a `null` goes.
    pub rest: &'s mut Extra<'a>,
}

impl<'de: 'a, 'a, T: Deserialize<'de>> DeserializeSeed<'de> for Field<'_, 'a, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match Option::<T>::deserialize(deserializer)? {
            // A repeated key: the last one wins, as in every JSON reader of the providers' SDKs.
            Some(value) => *self.slot = Some(value),
            None => self.rest.push(self.key, Raw::NULL),
        }
        Ok(())
    }
}

/// Reads a member that no field takes.
#[doc(hidden)]
pub fn unknown<'de: 'a, 'a, A: MapAccess<'de>>(
    map: &mut A,
    key: Str<'a>,
    rest: &mut Extra<'a>,
) -> Result<(), A::Error> {
    let value: Raw<'a> = map.next_value()?;
    rest.0.push((key, value));
    Ok(())
}

/// Declares a wire struct in which every member is optional and unknown members are kept in `rest`.
///
/// ```
/// use interlingua_filters::{json::Str, wire_object};
/// wire_object! {
///     /// A point of the wire.
///     pub struct Point<'a> {
///         /// Its name.
///         name: Str<'a> = "name",
///     }
/// }
/// let point: Point<'_> = serde_json::from_str(r#"{"name":"a","x":1.0}"#).unwrap();
/// assert_eq!(point.name.unwrap(), "a");
/// assert_eq!(point.rest.get("x").unwrap().get(), "1.0");
/// ```
#[macro_export]
macro_rules! wire_object {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<'a> { $($(#[$fmeta:meta])* $field:ident : $ty:ty = $key:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        $vis struct $name<'a> {
            $($(#[$fmeta])* pub $field: Option<$ty>,)*
            /// Members that no field takes, and known ones that were `null`.
            pub rest: $crate::json::Extra<'a>,
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<'a>(std::marker::PhantomData<$name<'a>>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for ObjectVisitor<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut object = <$name<'a>>::default();
                        while let Some(key) = map.next_key::<$crate::json::Str<'a>>()? {
                            match key.as_str() {
                                $($key => map.next_value_seed($crate::json::Field {
                                    key: $key, slot: &mut object.$field, rest: &mut object.rest,
                                })?,)*
                                _ => $crate::json::unknown(&mut map, key, &mut object.rest)?,
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
            }
        }
    };
}
