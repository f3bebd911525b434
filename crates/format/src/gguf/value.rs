//! One metadata value, and its bytes.

use crate::Bytes;
use crate::gguf::array::{Numbers, Strings};

/// A metadata value. Arrays stay as they lie in the file; arrays of arrays are refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    U64(u64),
    I64(i64),
    F64(f64),
    Numbers(Numbers),
    Strings(Strings),
}

/// The type numbers of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    /// In the order of their numbers.
    const ALL: [(Self, &'static str); 13] = [
        (Self::U8, "u8"),
        (Self::I8, "i8"),
        (Self::U16, "u16"),
        (Self::I16, "i16"),
        (Self::U32, "u32"),
        (Self::I32, "i32"),
        (Self::F32, "f32"),
        (Self::Bool, "bool"),
        (Self::String, "string"),
        (Self::Array, "array"),
        (Self::U64, "u64"),
        (Self::I64, "i64"),
        (Self::F64, "f64"),
    ];

    pub(super) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).map(|row| row.0)
    }

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Bytes of one value; `None` where it varies.
    pub(super) fn n_bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }
}

impl Value {
    pub fn is_array(&self) -> bool {
        self.value_type() == ValueType::Array
    }

    /// Any integer type; bools are none.
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Self::U8(n) => Some(n.into()),
            Self::I8(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::I16(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::I32(n) => Some(n.into()),
            Self::U64(n) => Some(n.into()),
            Self::I64(n) => Some(n.into()),
            _ => None,
        }
    }

    /// Either float type, rounded to f32.
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(x) => Some(x),
            Self::F64(x) => Some(x as f32),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(x) = *self { Some(x) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub fn as_strings(&self) -> Option<&Strings> {
        if let Self::Strings(strings) = self { Some(strings) } else { None }
    }

    pub fn as_numbers(&self) -> Option<&Numbers> {
        if let Self::Numbers(numbers) = self { Some(numbers) } else { None }
    }

    /// For errors: type and value, short enough for one line.
    pub(super) fn describe(&self) -> String {
        let name = self.value_type().name();
        match self {
            Self::Numbers(numbers) => {
                format!("array of {} {}", numbers.len(), numbers.element().name())
            }
            Self::Strings(strings) => format!("array of {} string", strings.len()),
            Self::String(text) => {
                let start: String = text.chars().take(40).collect();
                format!("{name} {start:?}")
            }
            Self::F32(x) => format!("{name} {x}"),
            Self::F64(x) => format!("{name} {x}"),
            Self::Bool(x) => format!("{name} {x}"),
            _ => format!("{name} {}", self.as_integer().expect("only integers are left")),
        }
    }

    /// Appends type and value as the file has them.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.value_type() as u32);
        match self {
            Self::String(text) => put_string(out, text.as_bytes()),
            Self::Numbers(numbers) => {
                put_u32(out, numbers.element() as u32);
                put_u64(out, numbers.len() as u64);
                out.extend_from_slice(numbers.encoded());
            }
            Self::Strings(strings) => {
                put_u32(out, ValueType::String as u32);
                put_u64(out, strings.len() as u64);
                out.extend_from_slice(strings.encoded());
            }
            number => number.encode_number(out),
        }
    }
}

/// What all number types have in common.
macro_rules! numbers {
    ($($variant:ident: $number:ty),*) => {
        impl Value {
            /// One number of type `element`; `None` for a bool that is neither 0 nor 1.
            ///
            /// `bytes` holds as many bytes as the type has.
            pub(super) fn decode_number(element: ValueType, bytes: &[u8]) -> Option<Self> {
                match element {
                    $(ValueType::$variant => {
                        let bytes = bytes.try_into().expect("one number of this type");
                        Some(Self::$variant(<$number>::from_le_bytes(bytes)))
                    })*
                    ValueType::Bool => match bytes {
                        [0] => Some(Self::Bool(false)),
                        [1] => Some(Self::Bool(true)),
                        _ => None,
                    },
                    ValueType::String | ValueType::Array => unreachable!("not a number"),
                }
            }

            fn encode_number(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(x) => out.extend_from_slice(&x.to_le_bytes()),)*
                    Self::Bool(x) => out.push((*x).into()),
                    _ => unreachable!("not a number"),
                }
            }

            pub fn value_type(&self) -> ValueType {
                match self {
                    $(Self::$variant(_) => ValueType::$variant,)*
                    Self::Bool(_) => ValueType::Bool,
                    Self::String(_) => ValueType::String,
                    Self::Numbers(_) | Self::Strings(_) => ValueType::Array,
                }
            }
        }

        $(impl From<$number> for Value {
            fn from(x: $number) -> Self {
                Self::$variant(x)
            }
        }

        impl From<&[$number]> for Value {
            fn from(array: &[$number]) -> Self {
                let bytes: Vec<u8> = array.iter().flat_map(|x| x.to_le_bytes()).collect();
                Self::Numbers(Numbers::new(ValueType::$variant, Bytes::from(bytes)))
            }
        })*
    };
}

numbers! {
    U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, F32: f32, U64: u64, I64: i64, F64: f64
}

impl From<bool> for Value {
    fn from(x: bool) -> Self {
        Self::Bool(x)
    }
}

impl From<&[bool]> for Value {
    fn from(array: &[bool]) -> Self {
        let bytes: Vec<u8> = array.iter().map(|&x| x.into()).collect();
        Self::Numbers(Numbers::new(ValueType::Bool, Bytes::from(bytes)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Strings> for Value {
    fn from(strings: Strings) -> Self {
        Self::Strings(strings)
    }
}

pub(super) fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
