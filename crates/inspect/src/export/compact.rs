//! Thrift's compact protocol, as far as the footers of Parquet files need it.

/// Fields of a struct by rising number, at most 15 apart.
pub(super) type Fields<'a> = Vec<(i16, Value<'a>)>;

pub(super) enum Value<'a> {
    I32(i32),
    I64(i64),
    Text(&'a str),
    /// All of one kind; empty ones are lists of structs.
    List(Vec<Value<'a>>),
    Struct(Fields<'a>),
}

pub(super) fn encode(fields: &Fields<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_struct(fields, &mut bytes);
    bytes
}

fn put_struct(fields: &Fields<'_>, bytes: &mut Vec<u8>) {
    let mut before = 0;
    for (number, value) in fields {
        let step = number - before;
        assert!((1..=15).contains(&step), "fields by rising number");
        bytes.push((step as u8) << 4 | kind(value));
        put(value, bytes);
        before = *number;
    }
    bytes.push(0);
}

fn kind(value: &Value<'_>) -> u8 {
    match value {
        Value::I32(_) => 5,
        Value::I64(_) => 6,
        Value::Text(_) => 8,
        Value::List(_) => 9,
        Value::Struct(_) => 12,
    }
}

fn put(value: &Value<'_>, bytes: &mut Vec<u8>) {
    match value {
        Value::I32(number) => put_signed((*number).into(), bytes),
        Value::I64(number) => put_signed(*number, bytes),
        Value::Text(text) => {
            put_unsigned(text.len() as u64, bytes);
            bytes.extend(text.as_bytes());
        }
        Value::List(values) => {
            let kind = values.first().map_or(12, kind);
            match values.len() {
                n @ 0..15 => bytes.push((n as u8) << 4 | kind),
                n => {
                    bytes.push(0xf0 | kind);
                    put_unsigned(n as u64, bytes);
                }
            }
            values.iter().for_each(|value| put(value, bytes));
        }
        Value::Struct(fields) => put_struct(fields, bytes),
    }
}

/// Zigzag: small numbers of either sign are short.
fn put_signed(number: i64, bytes: &mut Vec<u8>) {
    put_unsigned((number << 1 ^ number >> 63) as u64, bytes);
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put_unsigned(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value<'_>, expected: &[u8]) {
        let mut bytes = Vec::new();
        put(&value, &mut bytes);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn values_are_written_as_the_protocol_says() {
        check(Value::I32(0), &[0]);
        check(Value::I32(-1), &[1]);
        check(Value::I64(1), &[2]);
        check(Value::I64(150), &[0xac, 0x02]);
        check(Value::I64(i64::MIN), &[[0xff; 9].as_slice(), &[1]].concat());
        check(Value::Text("ab"), &[2, b'a', b'b']);
        check(Value::List(vec![Value::I32(1), Value::I32(2)]), &[0x25, 2, 4]);
        let long = (0..15).map(|_| Value::I32(0)).collect();
        check(Value::List(long), &[&[0xf5, 15][..], &[0; 15]].concat());
        let fields = vec![(1, Value::I32(1)), (4, Value::Text(""))];
        check(Value::Struct(fields), &[0x15, 2, 0x38, 0, 0]);
    }
}
