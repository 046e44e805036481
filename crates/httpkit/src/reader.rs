//! Reads a parameter tree into a typed struct as leniently as Rails does, because apps rely on it:
//! `"1"`, `1`, `"true"` and `true` are true, numbers may come as text, one value serves as a list
//! of one, `key[0][..]` serves as a list. Blank text is false for a flag and 0 for a number
//! (Ruby's `to_i`). What cannot be meant is refused with the parameter's name. Under
//! `#[serde(flatten)]` serde buffers values before their type is known: those fields need a helper
//! of `lenient.rs`.

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use crate::upload::{MARK, UploadedFile};
use crate::value::{Params, Value};

/// Why parameters do not fit the form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// A parameter that the form cannot do without. Mastodon answers 400.
    #[error("param is missing or the value is empty: {0}")]
    Missing(String),
    /// A parameter of the wrong kind.
    #[error("{name}: {problem}")]
    Wrong {
        /// Where: `poll.options`.
        name: String,
        /// What is wanted.
        problem: String,
    },
}

impl ParamError {
    fn inside(self, outer: &str) -> Self {
        let join = |name: String| {
            if name.is_empty() { outer.to_owned() } else { format!("{outer}.{name}") }
        };
        match self {
            Self::Missing(name) => Self::Missing(join(name)),
            Self::Wrong { name, problem } => Self::Wrong { name: join(name), problem },
        }
    }
}

impl de::Error for ParamError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Wrong { name: String::new(), problem: message.to_string() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field.to_owned())
    }
}

/// Reads parameters into a form.
///
/// # Errors
/// When one is missing or of the wrong kind.
pub fn read<T: de::DeserializeOwned>(params: Params) -> Result<T, ParamError> {
    T::deserialize(Lenient(Value::Map(params)))
}

struct Lenient(Value);

fn wanted<T>(what: &str) -> Result<T, ParamError> {
    Err(de::Error::custom(format_args!("{what} is wanted")))
}

impl Lenient {
    /// The one value that counts where several came under the same name.
    fn single(self) -> Value {
        match self.0 {
            Value::Repeated(mut all) => all.pop().unwrap_or(Value::Null),
            other => other,
        }
    }

    fn whole<N: TryFrom<i64> + TryFrom<u64>>(self) -> Result<N, ParamError> {
        let number = match self.single() {
            Value::Integer(number) => N::try_from(number).ok(),
            Value::Unsigned(number) => N::try_from(number).ok(),
            Value::Bool(flag) => N::try_from(i64::from(flag)).ok(),
            Value::Float(number) => whole_of(number).and_then(|number| N::try_from(number).ok()),
            Value::Text(text) => match text.trim() {
                "" => N::try_from(0_i64).ok(),
                digits => digits
                    .parse::<i64>()
                    .ok()
                    .and_then(|number| N::try_from(number).ok())
                    .or_else(|| digits.parse::<u64>().ok().and_then(|n| N::try_from(n).ok())),
            },
            _ => None,
        };
        number.map_or_else(|| wanted("a whole number"), Ok)
    }

    fn float(self) -> Result<f64, ParamError> {
        let number = match self.single() {
            Value::Float(number) => Some(number),
            Value::Integer(number) => number.to_string().parse().ok(),
            Value::Unsigned(number) => number.to_string().parse().ok(),
            Value::Text(text) if text.trim().is_empty() => Some(0.0),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number: &f64| number.is_finite()).map_or_else(|| wanted("a number"), Ok)
    }

    fn text(self) -> Result<String, ParamError> {
        match self.single() {
            Value::Text(text) => Ok(text),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Unsigned(number) => Ok(number.to_string()),
            Value::Float(number) => Ok(number.to_string()),
            _ => wanted("text"),
        }
    }

    /// A flag, by Rails' list of what is false. Source: ActiveModel::Type::Boolean.
    fn flag(self) -> Result<bool, ParamError> {
        match self.single() {
            Value::Bool(flag) => Ok(flag),
            Value::Integer(number) => Ok(number != 0),
            Value::Unsigned(_) => Ok(true),
            Value::Float(number) => Ok(number != 0.0),
            Value::Text(text) => Ok(!matches!(
                text.trim(),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" | "off" | "OFF" | "Off"
            )),
            Value::Null => Ok(false),
            _ => wanted("true or false"),
        }
    }

    fn list(self) -> Result<Vec<Value>, ParamError> {
        match self.0 {
            Value::List(list) | Value::Repeated(list) => Ok(list),
            Value::Null => Ok(Vec::new()),
            Value::Map(map) => {
                let mut numbered = Vec::with_capacity(map.len());
                for (key, value) in map {
                    match key.parse::<u32>() {
                        Ok(index) => numbered.push((index, value)),
                        Err(_) => return wanted("a list"),
                    }
                }
                numbered.sort_by_key(|(index, _)| *index);
                Ok(numbered.into_iter().map(|(_, value)| value).collect())
            }
            single => Ok(vec![single]),
        }
    }
}

/// A float that is a whole number, exactly.
fn whole_of(number: f64) -> Option<i64> {
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        format!("{number:.0}").parse().ok()
    } else {
        None
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $kind:ty),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            visitor.$visit(self.whole::<$kind>()?)
        })+
    };
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = ParamError;

    whole_numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Unsigned(number) => visitor.visit_u64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Repeated(_) => Lenient(self.single()).deserialize_any(visitor),
            Value::File(_) => wanted("text"),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_bool(self.flag()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.single() {
            Value::File(file) => visitor.visit_byte_buf(Vec::from(file.bytes)),
            other => visitor.visit_byte_buf(Lenient(other).text()?.into_bytes()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        if name == MARK {
            return self.deserialize_file(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_seq(Items { items: self.list()?.into_iter(), index: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.single() {
            Value::Map(map) => visitor.visit_map(Pairs { pairs: map.into_iter(), value: None }),
            _ => wanted("a group of parameters"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        let reader: StringDeserializer<ParamError> = self.text()?.into_deserializer();
        visitor.visit_enum(reader)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_unit()
    }
}

impl Lenient {
    fn deserialize_file<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        let file = match self.single() {
            Value::File(file) => file,
            Value::Text(text) if text.is_empty() => UploadedFile::default(),
            _ => return wanted("a file"),
        };
        let parts = [Value::Text(file.name.clone()), Value::Text(file.content_type.clone())];
        let content = Value::File(file);
        let items: Vec<Value> = parts.into_iter().chain([content]).collect();
        visitor.visit_seq(Items { items: items.into_iter(), index: 0 })
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = ParamError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ParamError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Lenient(item)).map(Some).map_err(|error| error.inside(&index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Pairs {
    pairs: std::collections::btree_map::IntoIter<String, Value>,
    value: Option<(String, Value)>,
}

impl<'de> de::MapAccess<'de> for Pairs {
    type Error = ParamError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ParamError> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        let reader: StrDeserializer<'_, ParamError> = key.as_str().into_deserializer();
        let read = seed.deserialize(reader)?;
        self.value = Some((key, value));
        Ok(Some(read))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ParamError> {
        let Some((key, value)) = self.value.take() else { return wanted("a key first") };
        seed.deserialize(Lenient(value)).map_err(|error| error.inside(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(default)]
    struct Form {
        flag: Option<bool>,
        number: Option<i64>,
        small: Option<u8>,
        text: Option<String>,
        ids: Vec<u64>,
        fields: Option<Vec<Field>>,
        poll: Option<Poll>,
        choice: Option<Choice>,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Field {
        name: String,
        value: String,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Poll {
        options: Vec<String>,
        #[serde(default)]
        multiple: bool,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        Public,
        Private,
    }

    fn form(query: &str) -> Result<Form, ParamError> {
        read(crate::form::parse(query.as_bytes()).expect("a form"))
    }

    fn json(body: &str) -> Result<Form, ParamError> {
        read(crate::json::parse(body.as_bytes()).expect("JSON"))
    }

    #[test]
    fn flags_in_every_spelling() {
        for (value, flag) in [
            ("1", true),
            ("true", true),
            ("t", true),
            ("on", true),
            ("yes", true),
            ("0", false),
            ("false", false),
            ("f", false),
            ("off", false),
            ("", false),
        ] {
            assert_eq!(form(&format!("flag={value}")).map(|f| f.flag), Ok(Some(flag)), "{value}");
        }
        for (value, flag) in [("1", true), ("0", false), ("true", true), ("\"false\"", false)] {
            let read = json(&format!("{{\"flag\":{value}}}"));
            assert_eq!(read.map(|form| form.flag), Ok(Some(flag)), "{value}");
        }
        assert_eq!(json(r#"{"flag":null}"#).map(|form| form.flag), Ok(None));
    }

    #[test]
    fn numbers_and_text_change_places() {
        assert_eq!(
            json(r#"{"number":"42","text":7}"#),
            Ok(Form { number: Some(42), text: Some("7".into()), ..Form::default() })
        );
        assert_eq!(json(r#"{"number":3.0}"#).map(|form| form.number), Ok(Some(3)));
        assert_eq!(form("number=").map(|form| form.number), Ok(Some(0)));
    }

    #[test]
    fn lists_in_every_spelling() {
        let ids = Form { ids: vec![1, 2], ..Form::default() };
        assert_eq!(form("ids[]=1&ids[]=2").as_ref(), Ok(&ids));
        assert_eq!(form("ids=1&ids=2").as_ref(), Ok(&ids));
        assert_eq!(form("ids[1]=2&ids[0]=1").as_ref(), Ok(&ids));
        assert_eq!(json(r#"{"ids":["1",2]}"#).as_ref(), Ok(&ids));
        assert_eq!(form("ids=1").map(|form| form.ids), Ok(vec![1]));
        assert_eq!(form("text=a&text=b").map(|form| form.text), Ok(Some("b".into())));
        let many: String = (0..12).map(|n| format!("ids[{n}]={n}&")).collect();
        assert_eq!(form(&many).map(|form| form.ids), Ok((0..12).collect()));
    }

    #[test]
    fn groups_lists_of_groups_and_choices() {
        let read = form("fields[0][name]=a&fields[0][value]=b&poll[options][]=x&choice=private");
        assert_eq!(
            read,
            Ok(Form {
                fields: Some(vec![Field { name: "a".into(), value: "b".into() }]),
                poll: Some(Poll { options: vec!["x".into()], multiple: false }),
                choice: Some(Choice::Private),
                ..Form::default()
            })
        );
        let read = json(r#"{"fields":{"0":{"name":"a","value":1}},"choice":"public"}"#);
        assert_eq!(
            read.map(|form| (form.fields, form.choice)),
            Ok((Some(vec![Field { name: "a".into(), value: "1".into() }]), Some(Choice::Public),))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let refused = |read: Result<Form, ParamError>, text: &str| {
            assert_eq!(read.map_err(|error| error.to_string()), Err(text.to_owned()));
        };
        refused(form("number=ten"), "number: a whole number is wanted");
        refused(form("small=256"), "small: a whole number is wanted");
        refused(form("text[]=a"), "text: text is wanted");
        refused(form("ids[a]=1"), "ids: a list is wanted");
        refused(json(r#"{"ids":[1,{}]}"#), "ids.1: a whole number is wanted");
        refused(form("poll=x"), "poll: a group of parameters is wanted");
        refused(form("poll[multiple]=1"), "param is missing or the value is empty: poll.options");
        refused(form("choice=x"), "choice: unknown variant `x`, expected `public` or `private`");
    }
}
