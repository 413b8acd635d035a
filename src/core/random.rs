//! Random numbers that are the same ones every time, for what must come out the same again.

/// Steele, Lea and Flood 2014. Written out, so that a seed means the same in every version of every library.
#[derive(Debug)]
pub struct SplitMix64(
    /// Its state; at first the seed.
    pub u64,
);

impl SplitMix64 {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `[0, end)`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The high half of a 128-bit product (Lemire 2019); its bias is far below what a few rounds can show.
        usize::try_from((u128::from(self.bits()) * end as u128) >> 64).unwrap_or_default()
    }

    /// `items`, in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A number in `[0, 1)`, a multiple of 2^-16.
    pub fn unit(&mut self) -> f32 {
        f32::from(u16::try_from(self.bits() >> 48).unwrap_or_default()) / 65536.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_those_of_the_published_generator() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
