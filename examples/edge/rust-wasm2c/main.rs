//! A network in Rust without a run time for WebAssembly and without crates: wasm2c has turned
//! net.wasm into C, which is linked as a static library.

use std::ffi::CStr;
use std::{env, fs, process, slice};

unsafe extern "C" {
    /// The network's memory; it never moves.
    fn net_open() -> *mut u8;
    fn net_input() -> u32;
    fn net_input_len() -> u32;
    fn net_info() -> u32;
    fn net_infer();
    fn net_predicted_class() -> u32;
}

/// Words of the struct at `net_info()`, by their places in net.h.
const MAGIC: (u32, u32) = (0, 0x574b_5053);
const ABI: (u32, u32) = (1, 1);
const CHANNELS: u32 = 3;
const HEIGHT: u32 = 4;
const WIDTH: u32 = 5;
const LABELS: u32 = 18;

/// A grey picture from the text of a PGM file, as bytes from 0 to 255.
fn picture(text: &str, width: u32, height: u32) -> Result<Vec<u8>, &'static str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    let mut words = lines.flat_map(str::split_whitespace);
    if words.next() != Some("P2") {
        return Err("is no PGM file as text (P2)");
    }
    let numbers = words.map(str::parse).collect::<Result<Vec<u32>, _>>();
    match numbers.map_err(|_| "holds something else than numbers")?.as_slice() {
        [w, h, white @ 1..=65535, grey @ ..] if (*w, *h) == (width, height) => {
            if grey.len() < (width * height) as usize {
                return Err("is too short");
            }
            let byte = |g: &u32| ((g.min(white) * 255 + white / 2) / white) as u8;
            Ok(grey.iter().map(byte).take((width * height) as usize).collect())
        }
        _ => Err("has another size"),
    }
}

fn classify(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|_| format!("cannot open: {path}"))?;
    // The network's code is C, and nothing else touches its memory.
    unsafe {
        let memory = net_open();
        let word = |at: u32| memory.add((net_info() + 4 * at) as usize).cast::<u32>().read();
        if word(MAGIC.0) != MAGIC.1 || word(ABI.0) != ABI.1 {
            return Err("net.wasm: is of another ABI".into());
        }
        if word(CHANNELS) != 1 || net_input_len() != word(HEIGHT) * word(WIDTH) {
            return Err("net.wasm: must take grey pictures as bytes".into());
        }
        let pixels = picture(&text, word(WIDTH), word(HEIGHT));
        let pixels = pixels.map_err(|why| format!("{path}: {why}"))?;
        slice::from_raw_parts_mut(memory.add(net_input() as usize), pixels.len())
            .copy_from_slice(&pixels);
        net_infer();
        let best = net_predicted_class();
        if word(LABELS) == 0 {
            return Ok(format!("class {best}: {best}"));
        }
        let mut label = CStr::from_ptr(memory.add(word(LABELS) as usize).cast());
        for _ in 0..best {
            label = CStr::from_ptr(label.as_ptr().add(label.to_bytes().len() + 1));
        }
        Ok(format!("class {best}: {}", label.to_string_lossy()))
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: classify picture.pgm");
        process::exit(1);
    };
    match classify(&path) {
        Ok(answer) => println!("{answer}"),
        Err(why) => {
            eprintln!("{why}");
            process::exit(1);
        }
    }
}
