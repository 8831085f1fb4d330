//! ALSA, through its library as it is found at run time, so that building needs no system package
//! and starting needs no sound system.
//!
//! The device `default` reaches PipeWire and PulseAudio through ALSA's own plugins. Constants and
//! signatures are those of alsa-lib 1.2's `pcm.h` and `error.h`, whose binary interface has been
//! stable since 1.0.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use super::output::{Device, Output, OutputError};

const LIBRARY: &str = "libasound.so.2";

const STREAM_PLAYBACK: c_int = 0;
/// `SND_PCM_NONBLOCK`: opening a device that is in use fails instead of waiting for it.
const OPEN_NONBLOCK: c_int = 1;
/// `SND_PCM_FORMAT_FLOAT_LE` or `_BE`, whichever is the machine's.
const FORMAT_FLOAT: c_int = if cfg!(target_endian = "little") {
    14
} else {
    15
};
/// `SND_PCM_ACCESS_RW_INTERLEAVED`.
const ACCESS_INTERLEAVED: c_int = 3;
const CHANNELS: c_uint = 2;

/// The queue, in microseconds: short enough that a change is heard at once, long enough that a
/// busy machine does not tear the sound.
const LATENCY_US: c_uint = 50_000;

/// Rates in the order in which they are tried, and whether ALSA may convert.
const RATES: [(c_uint, c_int); 3] = [(48_000, 0), (44_100, 0), (48_000, 1)];

/// Linux's error numbers (`errno-base.h`), negative as ALSA gives them.
const NO_ENTRY: c_int = -2;
const NO_DEVICE_OR_ADDRESS: c_int = -6;
const BUSY: c_int = -16;
const NO_DEVICE: c_int = -19;

/// Failed writes in a row, each recovered from, after which the device is taken for gone.
const MAX_RECOVERIES: usize = 5;

type Open = unsafe extern "C" fn(*mut *mut c_void, *const c_char, c_int, c_int) -> c_int;
type Nonblock = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type SetParams =
    unsafe extern "C" fn(*mut c_void, c_int, c_int, c_uint, c_uint, c_int, c_uint) -> c_int;
type WriteInterleaved = unsafe extern "C" fn(*mut c_void, *const c_void, c_ulong) -> c_long;
type Recover = unsafe extern "C" fn(*mut c_void, c_int, c_int) -> c_int;
type Delay = unsafe extern "C" fn(*mut c_void, *mut c_long) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
type ErrorText = unsafe extern "C" fn(c_int) -> *const c_char;
type Complain =
    extern "C" fn(*const c_char, c_int, *const c_char, c_int, *const c_char, *mut c_void);
type SetComplain = unsafe extern "C" fn(Option<Complain>) -> Option<Complain>;

/// An ALSA device by its name.
#[derive(Debug, Clone)]
pub struct Alsa {
    device: String,
}

impl Alsa {
    /// The device of a name that `aplay -L` lists, such as `default`.
    pub fn new(device: &str) -> Alsa {
        Alsa {
            device: device.to_owned(),
        }
    }

    fn error(&self, reason: impl std::fmt::Display) -> OutputError {
        OutputError::new(self.name(), reason)
    }
}

impl Device for Alsa {
    fn name(&self) -> String {
        format!("ALSA {}", self.device)
    }

    fn open(&self) -> Result<Box<dyn Output>, OutputError> {
        let functions = Functions::of_this_thread().map_err(|reason| self.error(reason))?;
        let name = CString::new(self.device.as_str())
            .map_err(|_| self.error("a device's name has no NUL in it"))?;
        let pcm = functions
            .open(&name)
            .map_err(|code| self.error(functions.text(code)))?;
        let mut opened = OpenedPcm {
            name: self.name(),
            functions,
            pcm,
            rate_hz: 0,
        };
        let mut refused = 0;
        for (rate_hz, converted) in RATES {
            refused = opened.set_up(rate_hz, converted);
            if refused >= 0 {
                opened.rate_hz = rate_hz;
                return Ok(Box::new(opened));
            }
        }
        Err(self.error(opened.functions.text(refused)))
    }
}

/// The functions that are needed, once they were found. They stay for good: ALSA's plugins keep
/// threads and open connections that do not outlive their code, and to load them again for every sound
/// takes longer than to open the device.
static FUNCTIONS: OnceLock<Functions> = OnceLock::new();

/// The functions that are needed, with the library that they lie in.
struct Functions {
    open: Open,
    nonblock: Nonblock,
    set_params: SetParams,
    write: WriteInterleaved,
    recover: Recover,
    delay: Delay,
    close: Close,
    error_text: ErrorText,
    set_complain: Option<SetComplain>,
    /// Keeps the code behind the pointers loaded.
    _library: Library,
}

impl Functions {
    /// Those that were found before, or else what is found now; ALSA is silent on this thread from
    /// here on, as it would print to the terminal that the user looks at.
    fn of_this_thread() -> Result<&'static Functions, String> {
        let functions = match FUNCTIONS.get() {
            Some(functions) => functions,
            None => {
                let found = Functions::load()?;
                FUNCTIONS.get_or_init(|| found)
            }
        };
        if let Some(set) = functions.set_complain {
            #[expect(unsafe_code, reason = "a call into a C library")]
            // SAFETY: the callback has the declared type and is never freed.
            unsafe {
                set(Some(say_nothing));
            }
        }
        Ok(functions)
    }

    fn load() -> Result<Functions, String> {
        #[expect(unsafe_code, reason = "functions of a C library are looked up by name")]
        // SAFETY: alsa-lib's initialisers have no preconditions, and every type above repeats the
        // declaration in its headers; the pointers live no longer than the library beside them.
        unsafe {
            let library =
                Library::new(LIBRARY).map_err(|_| format!("{LIBRARY} is not installed"))?;
            let missing = |error: libloading::Error| format!("{LIBRARY} is too old: {error}");
            let set_complain = library.get::<SetComplain>(b"snd_lib_error_set_local\0");
            Ok(Functions {
                open: *library.get(b"snd_pcm_open\0").map_err(missing)?,
                nonblock: *library.get(b"snd_pcm_nonblock\0").map_err(missing)?,
                set_params: *library.get(b"snd_pcm_set_params\0").map_err(missing)?,
                write: *library.get(b"snd_pcm_writei\0").map_err(missing)?,
                recover: *library.get(b"snd_pcm_recover\0").map_err(missing)?,
                delay: *library.get(b"snd_pcm_delay\0").map_err(missing)?,
                close: *library.get(b"snd_pcm_close\0").map_err(missing)?,
                error_text: *library.get(b"snd_strerror\0").map_err(missing)?,
                set_complain: set_complain.ok().map(|set| *set),
                _library: library,
            })
        }
    }

    /// An opened device, or ALSA's (negative) error code.
    fn open(&self, name: &CStr) -> Result<*mut c_void, c_int> {
        let mut pcm = ptr::null_mut();
        #[expect(unsafe_code, reason = "a call into a C library")]
        // SAFETY: both pointers are valid for the call; on success `pcm` is a handle that is ours
        // to close.
        let code = unsafe { (self.open)(&mut pcm, name.as_ptr(), STREAM_PLAYBACK, OPEN_NONBLOCK) };
        if code < 0 { Err(code) } else { Ok(pcm) }
    }

    /// What an error code says of a device.
    fn text(&self, code: c_int) -> String {
        match code {
            NO_ENTRY | NO_DEVICE_OR_ADDRESS | NO_DEVICE => return "there is no such device".into(),
            BUSY => return "another program holds the device".into(),
            _ => {}
        }
        #[expect(unsafe_code, reason = "a call into a C library")]
        // SAFETY: `snd_strerror` takes any number and gives a text that is never freed.
        unsafe {
            CStr::from_ptr((self.error_text)(code))
                .to_string_lossy()
                .into_owned()
        }
    }
}

extern "C" fn say_nothing(
    _file: *const c_char,
    _line: c_int,
    _function: *const c_char,
    _code: c_int,
    _format: *const c_char,
    _arguments: *mut c_void,
) {
}

struct OpenedPcm {
    name: String,
    functions: &'static Functions,
    /// Not null, and open until this is dropped.
    pcm: *mut c_void,
    rate_hz: u32,
}

impl OpenedPcm {
    /// ALSA's code, below zero when the device refuses these settings.
    fn set_up(&mut self, rate_hz: c_uint, converted: c_int) -> c_int {
        #[expect(unsafe_code, reason = "calls into a C library")]
        // SAFETY: the handle is open.
        unsafe {
            let code = (self.functions.nonblock)(self.pcm, 0);
            if code < 0 {
                return code;
            }
            (self.functions.set_params)(
                self.pcm,
                FORMAT_FLOAT,
                ACCESS_INTERLEAVED,
                CHANNELS,
                rate_hz,
                converted,
                LATENCY_US,
            )
        }
    }
}

impl Output for OpenedPcm {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn write(&mut self, frames: &[f32]) -> Result<(), OutputError> {
        let mut rest = frames;
        let mut recoveries = 0;
        while rest.len() >= CHANNELS as usize {
            let count = rest.len() / CHANNELS as usize;
            #[expect(unsafe_code, reason = "a call into a C library")]
            // SAFETY: the handle is open, and `rest` holds `count` frames of two floats.
            let written =
                unsafe { (self.functions.write)(self.pcm, rest.as_ptr().cast(), count as c_ulong) };
            if let Ok(written) = usize::try_from(written) {
                rest = &rest[written.min(count) * CHANNELS as usize..];
                recoveries = 0;
                continue;
            }
            let code = written as c_int;
            recoveries += 1;
            #[expect(unsafe_code, reason = "a call into a C library")]
            // SAFETY: the handle is open.
            let recovered = unsafe { (self.functions.recover)(self.pcm, code, 1) };
            if recovered < 0 || recoveries > MAX_RECOVERIES {
                return Err(OutputError::new(&self.name, self.functions.text(code)));
            }
        }
        Ok(())
    }

    fn queued(&mut self) -> usize {
        let mut frames: c_long = 0;
        #[expect(unsafe_code, reason = "a call into a C library")]
        // SAFETY: the handle is open and the pointer valid for the call.
        let code = unsafe { (self.functions.delay)(self.pcm, &mut frames) };
        if code < 0 {
            0
        } else {
            usize::try_from(frames).unwrap_or(0)
        }
    }

    fn interrupt(&mut self) {}
}

impl Drop for OpenedPcm {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call into a C library")]
        // SAFETY: the handle is open, and nothing uses it after this.
        unsafe {
            (self.functions.close)(self.pcm);
        }
    }
}
