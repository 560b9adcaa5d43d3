//! The part of Protocol Buffers that a simulated device reads and writes.

pub(super) type Fields = Vec<(u64, Field)>;

#[derive(Clone)]
pub(super) enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

pub(super) fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2), &varint(value.len() as u64), value].concat()
}

fn read_varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, left) = rest
            .split_first()
            .expect("because the host writes whole ones");
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

pub(super) fn decode(mut rest: &[u8]) -> Fields {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = read_varint(&mut rest);
        let value = match key & 7 {
            0 => Field::Number(read_varint(&mut rest)),
            2 => {
                let length = read_varint(&mut rest) as usize;
                let (value, left) = rest.split_at(length);
                rest = left;
                Field::Bytes(value.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

pub(super) fn blob(fields: &Fields, wanted: u64) -> Vec<u8> {
    let found = fields.iter().find_map(|field| match field {
        (field, Field::Bytes(value)) if *field == wanted => Some(value.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

pub(super) fn amount(fields: &Fields, wanted: u64) -> u64 {
    let found = fields.iter().find_map(|field| match field {
        (field, Field::Number(value)) if *field == wanted => Some(*value),
        _ => None,
    });
    found.unwrap_or_default()
}
