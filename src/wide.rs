//! Plain loops, compiled a second time for wider registers.

/// Defines a function that takes several numbers at a time where the processor has AVX2: its body is compiled with and without. What it
/// does is the same.
macro_rules! wide {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$generic:ident: $bound:path>)? ($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name $(<$generic: $bound>)? ($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn each $(<$generic: $bound>)? ($($arg: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn with_avx2 $(<$generic: $bound>)? ($($arg: $type),*) $(-> $out)? {
                    each($($arg),*)
                }
                // SAFETY: the processor has the feature.
                return unsafe { with_avx2($($arg),*) };
            }
            each($($arg),*)
        }
    };
}

pub(crate) use wide;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    wide! {
        fn sum_where<F: Fn(u32) -> bool>(values: &[u32], keeps: F) -> u64 {
            values.iter().filter(|&&value| keeps(value)).map(|&value| u64::from(value)).sum()
        }
    }

    proptest! {
        #[test]
        fn both_compilations_agree(values in prop::collection::vec(any::<u32>(), 0..100), least in any::<u32>()) {
            let mut expected = 0;
            for &value in values.iter().filter(|&&value| value >= least) {
                expected += u64::from(value);
            }
            prop_assert_eq!(sum_where(&values, |value| value >= least), expected);
        }
    }
}
