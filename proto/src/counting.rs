//! A codec that counts before it decodes: a message of a few bytes an entry would become one of a hundred, and fifteen million empty
//! images fit into thirty megabytes.

use std::any::TypeId;

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstDecoder, ProstEncoder};

use crate::{inference, v1};

/// Fields and entries of a message, those of the messages in it that may be repeated included: more than the largest request that any
/// limits allow has, and at a hundred bytes each what memory bears.
pub const MOST_FIELDS: usize = 1 << 18;

/// Which fields of a message are messages to be counted, too.
struct Shape(&'static [(u32, &'static Shape)]);

static PLAIN: Shape = Shape(&[]);
static LISTING: Shape = Shape(&[(5, &PLAIN), (6, &PLAIN)]);
static BATCH: Shape = Shape(&[(1, &LISTING)]);
static TENSOR: Shape = Shape(&[(4, &PLAIN), (5, &PLAIN)]);
static INFER: Shape = Shape(&[(4, &PLAIN), (5, &TENSOR), (6, &TENSOR)]);

fn shape_of<U: 'static>() -> &'static Shape {
    let known = [
        (TypeId::of::<v1::ClassifyRequest>(), &LISTING),
        (TypeId::of::<v1::ClassifyBatchRequest>(), &BATCH),
        (TypeId::of::<inference::ModelInferRequest>(), &INFER),
    ];
    known.into_iter().find(|(id, _)| *id == TypeId::of::<U>()).map_or(&PLAIN, |(_, shape)| shape)
}

/// Fields in `message`, counted up to one more than `most`. What is damaged ends the count: decoding will say so.
fn fields(mut message: &[u8], shape: &Shape, most: usize) -> usize {
    let mut count = 0;
    while message.has_remaining() && count <= most {
        let Ok((tag, wire)) = decode_key(&mut message) else { break };
        count += 1;
        let length = match wire {
            WireType::Varint => match decode_varint(&mut message) {
                Ok(_) => 0,
                Err(_) => break,
            },
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => match decode_varint(&mut message) {
                Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
                Err(_) => break,
            },
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        let Some((inside, rest)) = message.split_at_checked(length) else { break };
        if wire == WireType::LengthDelimited
            && let Some((_, shape)) = shape.0.iter().find(|(number, _)| *number == tag)
        {
            count += fields(inside, shape, most - count.min(most));
        }
        message = rest;
    }
    count
}

/// As tonic's codec for prost, but that a message of too many fields is refused before anything is made of it.
#[derive(Debug)]
pub struct CountingCodec<T, U>(std::marker::PhantomData<(T, U)>);

impl<T, U> Default for CountingCodec<T, U> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T, U> Codec for CountingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CountingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        CountingDecoder(ProstDecoder::default())
    }
}

/// Counts, then decodes.
#[derive(Debug)]
pub struct CountingDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + 'static> Decoder for CountingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if fields(buffer.chunk(), shape_of::<U>(), MOST_FIELDS) > MOST_FIELDS {
            return Err(Status::invalid_argument(format!("message: holds more than {MOST_FIELDS} fields and entries")));
        }
        self.0.decode(buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count<U: Message + 'static>(message: &U) -> usize {
        fields(&message.encode_to_vec(), shape_of::<U>(), MOST_FIELDS)
    }

    #[test]
    fn entries_are_counted_where_they_are_messages_and_bytes_are_not_looked_into() {
        let image = v1::Image { image_id: "a".into(), content: vec![0x0a; 10_000].into() };
        let listing = v1::ClassifyRequest { title: "x".into(), images: vec![image; 3], ..Default::default() };
        assert_eq!(count(&listing), 1 + 3 * 3);
        let items = vec![listing; 2];
        assert_eq!(count(&v1::ClassifyBatchRequest { items }), 2 + 2 * 10);
    }

    #[test]
    fn empty_entries_are_soon_too_many() {
        let many = [0x2a, 0].repeat(15_000_000);
        assert_eq!(fields(&many, &LISTING, MOST_FIELDS), MOST_FIELDS + 1);
        let inner = vec![v1::ClassifyRequest { images: vec![v1::Image::default(); 300_000], ..Default::default() }];
        assert!(count(&v1::ClassifyBatchRequest { items: inner }) > MOST_FIELDS);
    }

    #[test]
    fn what_is_damaged_is_left_to_the_decoder() {
        for damaged in [&[0x2a, 200][..], &[0xff; 40], &[0x2a, 5, 1], &[]] {
            assert!(fields(damaged, &LISTING, MOST_FIELDS) <= 40);
        }
    }
}
