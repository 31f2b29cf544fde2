//! Prints the metadata of the functions with the schemas of their types; the build adds it to the component.

use order as _;

fn main() {
    print!("{}", stepwell::metadata());
}
