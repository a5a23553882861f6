//! What happens when another process cuts a mapped file short while it is read.
//!
//! The system then sends SIGBUS to whoever looks at a byte behind the new end, and there is nothing to return to. So the
//! handler writes one message that names the file and ends the process as for any input that changed (exit 65); nothing is
//! published, as after any other sudden end. A SIGBUS anywhere else ends the process as if there were no handler.

use crate::error::Class;
use std::ffi::c_int;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

/// Files that can be named at a time; more are mapped, and called "a file".
const N_SLOTS: usize = 4096;

/// One mapped file: its addresses, and its name with a line end behind it, which is freed when the file is not watched any more.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    name: AtomicPtr<u8>,
    n_name_bytes: AtomicUsize,
}

static SLOTS: [Slot; N_SLOTS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        name: AtomicPtr::new(std::ptr::null_mut()),
        n_name_bytes: AtomicUsize::new(0),
    }
}; N_SLOTS];

/// Slots that were used and are free again, and how many were ever used.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// Mapped files without a slot.
static N_NAMELESS: AtomicUsize = AtomicUsize::new(0);

/// A mapped file that is watched until the value is dropped. It must not outlive the map.
#[derive(Debug)]
pub struct Watched {
    slot: Option<usize>,
}

/// Watches the file that is mapped at `addresses`.
pub fn watch(addresses: Range<*const u8>, path: &Path) -> Watched {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(install);
    let mut free = FREE.lock().expect("no panic holds the lock");
    let slot = free.0.pop().or_else(|| {
        (free.1 < N_SLOTS).then(|| {
            free.1 += 1;
            free.1 - 1
        })
    });
    match slot {
        Some(at) => fill(&SLOTS[at], addresses, path),
        None => drop(N_NAMELESS.fetch_add(1, Ordering::Relaxed)),
    }
    Watched { slot }
}

fn fill(slot: &Slot, addresses: Range<*const u8>, path: &Path) {
    let name: &'static mut [u8] = Box::leak(path.display().to_string().into_bytes().into_boxed_slice());
    slot.n_name_bytes.store(name.len(), Ordering::Relaxed);
    slot.name.store(name.as_mut_ptr(), Ordering::Relaxed);
    slot.start.store(addresses.start as usize, Ordering::Relaxed);
    // what was stored before is seen by whoever sees the end
    slot.end.store(addresses.end as usize, Ordering::Release);
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(at) = self.slot else {
            N_NAMELESS.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        SLOTS[at].end.store(0, Ordering::Release);
        let name = SLOTS[at].name.swap(std::ptr::null_mut(), Ordering::AcqRel);
        let n_bytes = SLOTS[at].n_name_bytes.swap(0, Ordering::Relaxed);
        if !name.is_null() {
            // SAFETY: `fill` leaked exactly this box, and only the swap above hands it out. The handler ends the process, so
            // it reads a name that is being freed only if the very map that is being closed was cut short just now.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(name, n_bytes)) });
        }
        FREE.lock().expect("no panic holds the lock").0.push(at);
    }
}

fn install() {
    // SAFETY: all-zero is a valid sigaction; the handler has the signature that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

/// Calls only what may be called in a signal handler: atomics, `write`, `signal`, `_exit`.
extern "C" fn on_bus_error(_signal: c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the system gives a valid siginfo to a handler with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    let found = SLOTS.iter().find(|slot| {
        let end = slot.end.load(Ordering::Acquire);
        slot.start.load(Ordering::Relaxed) <= address && address < end
    });
    match found {
        Some(slot) => {
            let name = slot.name.load(Ordering::Relaxed);
            let name = match name.is_null() {
                true => b"a file" as &[u8],
                // SAFETY: a slot with an end has a name of this length.
                false => unsafe { std::slice::from_raw_parts(name, slot.n_name_bytes.load(Ordering::Relaxed)) },
            };
            end_with(name);
        }
        None if N_NAMELESS.load(Ordering::Relaxed) > 0 => end_with(b"a file"),
        None => {
            // SAFETY: the signal comes again on return, and ends the process.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        }
    }
}

fn end_with(name: &[u8]) -> ! {
    let parts: [&[u8]; 3] = [
        b"error: ",
        name,
        b" became shorter while it was read\nhint: another process writes it; when it is complete, run the same command again\n",
    ];
    for part in parts {
        // SAFETY: the pointer and the length are of one slice. That standard error cannot be written changes nothing.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: ends the process without running anything else of it.
    unsafe { libc::_exit(c_int::from(Class::BadData.exit_code())) }
}
