//! Weights as a table that databases read (Parquet, format version 1): a line for each of them.
//!
//! Written here because the columns are few and of two plain kinds; a library of the whole format
//! would be the largest dependency of the crate.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::compact::{Fields, Value, encode};
use super::json::SCHEMA;
use super::{Export, ExportError};
use crate::record::Row;

const MAGIC: &[u8; 4] = b"PAR1";
/// Lines that are held at a time, or a few more.
const N_LINES_A_GROUP: usize = 1 << 18;

/// Numbers of the format's enums.
const INT32: i32 = 1;
const FLOAT: i32 = 4;
const BYTE_ARRAY: i32 = 6;
const REQUIRED: i32 = 0;
const UTF8: i32 = 0;
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const GZIP: i32 = 2;
const DATA_PAGE: i32 = 0;

const COLUMNS: [(&str, i32); 6] = [
    ("layer", INT32),
    ("head", INT32),
    ("query", INT32),
    ("key", INT32),
    ("key_text", BYTE_ARRAY),
    ("weight", FLOAT),
];

pub(super) fn write(export: &Export<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut file = File { out, n_bytes: 0, n_lines: 0, groups: Vec::new() };
    file.put(MAGIC)?;
    let mut group = Group::default();
    for row in export.rows {
        group.add(row, export.tokens.pieces);
        if group.n_lines >= N_LINES_A_GROUP {
            file.put_group(std::mem::take(&mut group))?;
        }
    }
    if group.n_lines > 0 {
        file.put_group(group)?;
    }
    let footer = encode(&footer(export, file.n_lines, std::mem::take(&mut file.groups)));
    file.put(&footer)?;
    file.put(&(footer.len() as u32).to_le_bytes())?;
    file.put(MAGIC)
}

/// The values of each column, one after another as `PLAIN` has them.
#[derive(Default)]
struct Group {
    n_lines: usize,
    columns: [Vec<u8>; COLUMNS.len()],
}

impl Group {
    fn add(&mut self, row: &Row, pieces: &[String]) {
        let [layers, heads, queries, keys, texts, weights] = &mut self.columns;
        for &(key, weight) in &row.keys {
            layers.extend((row.layer_idx as i32).to_le_bytes());
            heads.extend((row.head_idx as i32).to_le_bytes());
            queries.extend((row.query_pos as i32).to_le_bytes());
            keys.extend((key as i32).to_le_bytes());
            let text = pieces[key as usize].as_bytes();
            texts.extend((text.len() as u32).to_le_bytes());
            texts.extend(text);
            weights.extend(weight.to_le_bytes());
        }
        self.n_lines += row.keys.len();
    }
}

struct File<'a> {
    out: &'a mut dyn Write,
    n_bytes: i64,
    n_lines: i64,
    groups: Vec<Value<'static>>,
}

impl File<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.n_bytes += bytes.len() as i64;
        Ok(self.out.write_all(bytes)?)
    }

    fn put_group(&mut self, group: Group) -> Result<(), ExportError> {
        let n_lines = group.n_lines as i64;
        let mut n_plain_bytes = 0;
        let mut chunks = Vec::new();
        for (&(name, kind), plain) in COLUMNS.iter().zip(&group.columns) {
            let begin = self.n_bytes;
            let n_plain = self.put_page(group.n_lines, plain)?;
            n_plain_bytes += n_plain;
            let meta_data = vec![
                (1, Value::I32(kind)),
                (2, Value::List(vec![Value::I32(PLAIN)])),
                (3, Value::List(vec![Value::Text(name)])),
                (4, Value::I32(GZIP)),
                (5, Value::I64(n_lines)),
                (6, Value::I64(n_plain)),
                (7, Value::I64(self.n_bytes - begin)),
                (9, Value::I64(begin)),
            ];
            let chunk = vec![(2, Value::I64(begin)), (3, Value::Struct(meta_data))];
            chunks.push(Value::Struct(chunk));
        }
        self.n_lines += n_lines;
        self.groups.push(Value::Struct(vec![
            (1, Value::List(chunks)),
            (2, Value::I64(n_plain_bytes)),
            (3, Value::I64(n_lines)),
        ]));
        Ok(())
    }

    /// A column of a group; returns its length without compression.
    fn put_page(&mut self, n_lines: usize, plain: &[u8]) -> Result<i64, ExportError> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain)?;
        let packed = gzip.finish()?;
        let data_page = vec![
            (1, Value::I32(n_lines as i32)),
            (2, Value::I32(PLAIN)),
            // Of levels that there are none of.
            (3, Value::I32(RLE)),
            (4, Value::I32(RLE)),
        ];
        let header = encode(&vec![
            (1, Value::I32(DATA_PAGE)),
            (2, Value::I32(plain.len() as i32)),
            (3, Value::I32(packed.len() as i32)),
            (5, Value::Struct(data_page)),
        ]);
        self.put(&header)?;
        self.put(&packed)?;
        Ok((header.len() + plain.len()) as i64)
    }
}

fn footer<'a>(export: &Export<'a>, n_lines: i64, groups: Vec<Value<'a>>) -> Fields<'a> {
    let root = vec![(4, Value::Text("schema")), (5, Value::I32(COLUMNS.len() as i32))];
    let columns = COLUMNS.map(|(name, kind)| {
        let mut column =
            vec![(1, Value::I32(kind)), (3, Value::I32(REQUIRED)), (4, Value::Text(name))];
        if kind == BYTE_ARRAY {
            column.push((6, Value::I32(UTF8)));
        }
        Value::Struct(column)
    });
    let schema = std::iter::once(Value::Struct(root)).chain(columns).collect();
    let pair = |key, value| Value::Struct(vec![(1, Value::Text(key)), (2, Value::Text(value))]);
    vec![
        (1, Value::I32(1)),
        (2, Value::List(schema)),
        (3, Value::I64(n_lines)),
        (4, Value::List(groups)),
        (5, Value::List(vec![pair("schema", SCHEMA), pair("model", export.model)])),
        (6, Value::Text("lookback")),
    ]
}
