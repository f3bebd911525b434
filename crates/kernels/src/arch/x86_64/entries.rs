//! Safe functions, as `Kernels` holds them, around implementations that need instructions.

/// `entries! { "features" fn name(arguments) = implementation; ... }`
///
/// The functions are private to the module of a table, and the table can be had only for a proof
/// that the CPU has the features, or as the base of one whose proof covers them too.
macro_rules! entries {
    ($features:literal
        $(fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? = $imp:path;)*) => {$(
        fn $name($($arg: $type),*) $(-> $out)? {
            #[target_feature(enable = $features)]
            fn with_features($($arg: $type),*) $(-> $out)? {
                $imp($($arg),*)
            }
            // SAFETY: entries are reachable through tables only, and those through a proof, which
            // exists only where the CPU has the features.
            unsafe { with_features($($arg),*) }
        }
    )*};
}

pub(super) use entries;
