//! Threads: a persistent pool that spins briefly, then parks, and hands each thread its own tiles
//! of the output matrices.
//!
//! Tiles are disjoint by construction, so results do not depend on which thread computes which
//! tile, nor on how many threads there are (M6).

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;

/// Looks at a flag before a waiting thread gives its core away: about 20 microseconds (65 cycles a
/// pause on Zen 3). That is longer than the serial work between two parallel steps of a small
/// model, and shorter than a scheduler's time slice.
const N_SPINS: u32 = 1_000;

/// A fixed set of threads. The calling thread is thread 0 and works too.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// A row-major matrix to be written tile by tile.
pub struct Tiled<'a, T = f32> {
    pub data: &'a mut [T],
    pub n_cols: usize,
    pub tile_rows: TileRows<'a>,
    pub tile_cols: usize,
}

/// How the rows of a [`Tiled`] matrix are cut.
#[derive(Clone, Copy)]
pub enum TileRows<'a> {
    /// So many a tile, fewer in the last.
    Even(usize),
    /// These, ascending.
    Bands(&'a [Range<usize>]),
}

/// One tile: a rectangle of a [`Tiled`] matrix that no other tile overlaps.
pub struct TileMut<'a, T = f32> {
    origin: *mut T,
    /// Columns of the whole matrix.
    stride: usize,
    first_row: usize,
    first_col: usize,
    n_rows: usize,
    n_cols: usize,
    _matrix: std::marker::PhantomData<&'a mut [T]>,
}

type Job<'a> = &'a (dyn Fn(usize) + Sync + 'a);

/// What the threads share. A job is open while the caller still has tiles to give away: a worker
/// enters an open job or misses it, and the caller waits only for those inside. A worker that the
/// system does not run holds nobody up.
struct Shared {
    /// `[generation: 32 bits][workers inside: 31][open: 1]`
    gate: AtomicU64,
    /// Written by the caller while the gate is shut and nobody is inside.
    job: UnsafeCell<Option<Job<'static>>>,
    stop: AtomicBool,
    panicked: AtomicBool,
    /// The next index of each thread's run.
    next: Vec<CacheLine<AtomicUsize>>,
}

/// A value that shares its cache line with no other.
#[repr(align(64))]
struct CacheLine<T>(T);

const OPEN: u64 = 1;
const ONE_INSIDE: u64 = 2;
const GENERATION: u32 = 32;

// SAFETY: `job` is written only while no worker is inside, and read only by workers inside.
unsafe impl Sync for Shared {}

impl Shared {
    fn n_inside(gate: u64) -> u64 {
        (gate & ((1 << GENERATION) - 1)) / ONE_INSIDE
    }

    /// Enters the open job, if it is not the one of generation `seen`; returns its generation.
    fn enter(&self, seen: u64) -> Option<u64> {
        let is_new = |gate: u64| gate & OPEN != 0 && gate >> GENERATION != seen;
        // Tried again while others enter: a worker that gave up here would park through the job.
        let before = self.gate.fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
            is_new(gate).then_some(gate + ONE_INSIDE)
        });
        before.ok().map(|gate| gate >> GENERATION)
    }
}

impl ThreadPool {
    /// `n_threads` in all, the caller included; they are running when this returns.
    pub fn new(n_threads: usize) -> Self {
        assert!(n_threads > 0);
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            next: (0..n_threads).map(|_| CacheLine(AtomicUsize::new(0))).collect(),
        });
        let started = Arc::new(Barrier::new(n_threads));
        let workers = (1..n_threads)
            .map(|thread_idx| {
                let (shared, started) = (Arc::clone(&shared), Arc::clone(&started));
                std::thread::Builder::new()
                    .name(format!("lookback-{thread_idx}"))
                    .spawn(move || {
                        started.wait();
                        work(&shared, thread_idx);
                    })
                    .expect("the system can start a thread")
            })
            .collect();
        started.wait();
        Self { shared, workers }
    }

    pub fn n_threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `compute(scratch, tile_idx, tiles)` once for every tile index, with that tile of each
    /// matrix.
    ///
    /// All matrices must be cut into the same number of tiles, counted row of tiles by row of
    /// tiles. `scratch` holds one element per thread.
    pub fn for_each_tile<S: Send, T: Send + Sync, const N: usize>(
        &mut self,
        scratch: &mut [S],
        matrices: [Tiled<'_, T>; N],
        compute: impl Fn(&mut S, usize, [TileMut<'_, T>; N]) + Sync,
    ) {
        let grids = matrices.map(Grid::new);
        let n_tiles = grids[0].n_tiles();
        assert!(grids.iter().all(|grid| grid.n_tiles() == n_tiles));
        self.share_out(scratch, n_tiles, |scratch, tile_idx| {
            // SAFETY: `share_out` gives every index away once.
            let tiles = std::array::from_fn(|i| unsafe { grids[i].tile(tile_idx) });
            compute(scratch, tile_idx, tiles);
        });
    }

    /// Calls `compute(scratch, matrix_idx, tile)` once for every tile of every matrix.
    pub fn for_every_tile<S: Send, T: Send + Sync, const N: usize>(
        &mut self,
        scratch: &mut [S],
        matrices: [Tiled<'_, T>; N],
        compute: impl Fn(&mut S, usize, TileMut<'_, T>) + Sync,
    ) {
        let grids = matrices.map(Grid::new);
        let n_tiles = grids.iter().map(Grid::n_tiles).sum();
        self.share_out(scratch, n_tiles, |scratch, mut tile_idx| {
            for (matrix_idx, grid) in grids.iter().enumerate() {
                if tile_idx < grid.n_tiles() {
                    // SAFETY: `share_out` gives every index away once.
                    let tile = unsafe { grid.tile(tile_idx) };
                    return compute(scratch, matrix_idx, tile);
                }
                tile_idx -= grid.n_tiles();
            }
        });
    }

    /// Calls `work(scratch, idx)` once for every `idx < n`. Each thread has its own run of
    /// indices, so that it reads memory in one stream; who is done early, or finds a thread that
    /// the system does not run, goes on with the runs of the others.
    fn share_out<S: Send>(
        &mut self,
        scratch: &mut [S],
        n: usize,
        work: impl Fn(&mut S, usize) + Sync,
    ) {
        let n_threads = self.n_threads();
        assert!(scratch.len() >= n_threads);
        if n <= 1 {
            return (0..n).for_each(|idx| work(&mut scratch[0], idx));
        }
        let end = |thread_idx: usize| (thread_idx + 1) * n / n_threads;
        let shared = Arc::clone(&self.shared);
        for (thread_idx, next) in shared.next.iter().enumerate() {
            next.0.store(thread_idx * n / n_threads, Ordering::Relaxed);
        }
        let scratch = SendPtr(scratch.as_mut_ptr());
        self.run(&|thread_idx: usize| {
            // SAFETY: `scratch` outlives the job and has an element for every thread index; each
            // index is used by one thread.
            let scratch = unsafe { &mut *scratch.at(thread_idx) };
            for run_idx in (thread_idx..n_threads).chain(0..thread_idx) {
                loop {
                    let idx = shared.next[run_idx].0.fetch_add(1, Ordering::Relaxed);
                    if idx >= end(run_idx) {
                        break;
                    }
                    work(scratch, idx);
                }
            }
        });
    }

    /// Runs `job(thread_idx)` on this thread and on every worker that comes in time.
    fn run(&mut self, job: Job<'_>) {
        if self.workers.is_empty() {
            return job(0);
        }
        // SAFETY: workers use the reference only inside the job, and this function does not
        // return (nor unwind) before the gate is shut and nobody is inside.
        let erased: Job<'static> = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let shared = &*self.shared;
        let last = shared.gate.load(Ordering::Relaxed);
        assert!(last & OPEN == 0 && Shared::n_inside(last) == 0);
        // SAFETY: the gate is shut and nobody is inside.
        unsafe { *shared.job.get() = Some(erased) };
        let generation = (last >> GENERATION).wrapping_add(1) << GENERATION;
        shared.gate.store(generation | OPEN, Ordering::Release);
        self.workers.iter().for_each(|worker| worker.thread().unpark());
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        shared.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let nobody_inside = || Shared::n_inside(shared.gate.load(Ordering::Acquire)) == 0;
        spin_until(nobody_inside, std::thread::yield_now);
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a worker thread panicked");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker's panic was already reported by `run`.
            let _ = worker.join();
        }
    }
}

fn work(shared: &Shared, thread_idx: usize) {
    // No job has this generation before 2^32 others.
    let mut seen = 0;
    loop {
        let mut entered = None;
        let wants_me = || {
            entered = shared.enter(seen);
            entered.is_some() || shared.stop.load(Ordering::Relaxed)
        };
        spin_until(wants_me, std::thread::park);
        let Some(generation) = entered else { return };
        seen = generation;
        // SAFETY: this thread is inside, so the job stays as it is.
        let job = unsafe { *shared.job.get() };
        let job = job.expect("an open gate has a job behind it");
        if catch_unwind(AssertUnwindSafe(|| job(thread_idx))).is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.gate.fetch_sub(ONE_INSIDE, Ordering::Release);
    }
}

/// Spins, then rests between looks, until `done`.
fn spin_until(mut done: impl FnMut() -> bool, rest: impl Fn()) {
    for _ in 0..N_SPINS {
        if done() {
            return;
        }
        std::hint::spin_loop();
    }
    while !done() {
        rest();
    }
}

/// A raw pointer that threads may share; whoever dereferences it says why that is sound.
struct SendPtr<T>(*mut T);

// SAFETY: the pointer is only an address; every dereference has its own argument.
unsafe impl<T: Send> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    /// # Safety
    /// `idx` is inside the allocation.
    unsafe fn at(&self, idx: usize) -> *mut T {
        // SAFETY: as promised by the caller.
        unsafe { self.0.add(idx) }
    }
}

/// The tiles of one matrix.
struct Grid<'a, T> {
    origin: SendPtr<T>,
    n_rows: usize,
    n_cols: usize,
    tile_rows: TileRows<'a>,
    tile_cols: usize,
    _matrix: std::marker::PhantomData<&'a mut [T]>,
}

impl<'a, T> Grid<'a, T> {
    fn new(matrix: Tiled<'a, T>) -> Self {
        let Tiled { data, n_cols, tile_rows, tile_cols } = matrix;
        assert!(tile_cols > 0);
        assert!(data.len().is_multiple_of(n_cols));
        let n_rows = data.len() / n_cols;
        match tile_rows {
            TileRows::Even(n) => assert!(n > 0),
            TileRows::Bands(bands) => {
                assert!(bands.iter().all(|band| band.start < band.end && band.end <= n_rows));
                assert!(bands.is_sorted_by(|a, b| a.end <= b.start), "bands do not overlap");
            }
        }
        let origin = SendPtr(data.as_mut_ptr());
        Self { origin, n_rows, n_cols, tile_rows, tile_cols, _matrix: std::marker::PhantomData }
    }

    fn n_tiles(&self) -> usize {
        let n_down = match self.tile_rows {
            TileRows::Even(n) => self.n_rows.div_ceil(n),
            TileRows::Bands(bands) => bands.len(),
        };
        n_down * self.n_cols.div_ceil(self.tile_cols)
    }

    /// # Safety
    /// Every index is asked for once in the lifetime of the grid.
    unsafe fn tile(&self, tile_idx: usize) -> TileMut<'a, T> {
        let n_across = self.n_cols.div_ceil(self.tile_cols);
        let (first_row, n_rows) = match self.tile_rows {
            TileRows::Even(n) => (tile_idx / n_across * n, n),
            TileRows::Bands(bands) => {
                let band = &bands[tile_idx / n_across];
                (band.start, band.len())
            }
        };
        let first_col = tile_idx % n_across * self.tile_cols;
        assert!(first_row < self.n_rows);
        // SAFETY: the tile starts inside the matrix.
        let origin = unsafe { self.origin.at(first_row * self.n_cols + first_col) };
        TileMut {
            origin,
            stride: self.n_cols,
            first_row,
            first_col,
            n_rows: n_rows.min(self.n_rows - first_row),
            n_cols: self.tile_cols.min(self.n_cols - first_col),
            _matrix: std::marker::PhantomData,
        }
    }
}

impl<T> TileMut<'_, T> {
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    pub fn first_col(&self) -> usize {
        self.first_col
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// The tile's part of its row `row_idx` (counted from the tile's first row).
    pub fn row_mut(&mut self, row_idx: usize) -> &mut [T] {
        assert!(row_idx < self.n_rows);
        // SAFETY: row and columns lie inside the matrix, no other tile overlaps them, and the
        // borrow of `self` keeps a second slice of this tile from existing.
        unsafe {
            let start = self.origin.add(row_idx * self.stride);
            std::slice::from_raw_parts_mut(start, self.n_cols)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell of an odd-sized matrix is written exactly once, by any number of threads.
    fn check(n_threads: usize, n_rows: usize, n_cols: usize, tile: (usize, usize)) {
        let mut pool = ThreadPool::new(n_threads);
        let mut data = vec![0.0; n_rows * n_cols];
        let mut counts = vec![0usize; n_threads];
        for _ in 0..20 {
            let tile_rows = TileRows::Even(tile.0);
            let matrix = Tiled { data: &mut data, n_cols, tile_rows, tile_cols: tile.1 };
            pool.for_each_tile(&mut counts, [matrix], |count, _, [mut tile]| {
                *count += 1;
                for row_idx in 0..tile.n_rows() {
                    let first = (tile.first_row() + row_idx) * n_cols + tile.first_col();
                    for (i, cell) in tile.row_mut(row_idx).iter_mut().enumerate() {
                        *cell += (first + i) as f32;
                    }
                }
            });
        }
        let n_tiles = n_rows.div_ceil(tile.0) * n_cols.div_ceil(tile.1);
        assert_eq!(counts.iter().sum::<usize>(), 20 * n_tiles);
        assert!(data.iter().enumerate().all(|(i, &x)| x == 20.0 * i as f32));
    }

    #[test]
    fn tiles_cover_the_matrix_once() {
        check(1, 5, 7, (2, 3));
        check(2, 5, 7, (2, 3));
        check(3, 1, 100, (1, 16));
        check(2, 9, 4, (100, 100));
    }

    #[test]
    fn bands_are_tiles_of_their_own_height() {
        let mut pool = ThreadPool::new(2);
        let mut data = vec![0.0; 6 * 4];
        let bands = [0..1, 1..4, 5..6];
        let tile_rows = TileRows::Bands(&bands);
        let matrix = Tiled { data: &mut data, n_cols: 4, tile_rows, tile_cols: 3 };
        pool.for_each_tile(&mut [(), ()], [matrix], |(), tile_idx, [mut tile]| {
            for row_idx in 0..tile.n_rows() {
                tile.row_mut(row_idx).fill(tile_idx as f32 + 1.0);
            }
        });
        let rows: Vec<_> = data.chunks_exact(4).map(|row| [row[0], row[3]]).collect();
        assert_eq!(rows, [[1.0, 2.0], [3.0, 4.0], [3.0, 4.0], [3.0, 4.0], [0.0, 0.0], [5.0, 6.0]]);
    }

    #[test]
    fn more_threads_than_cores_still_finish() {
        check(8, 33, 65, (4, 8));
    }

    #[test]
    fn a_panic_in_a_tile_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = ThreadPool::new(2);
        let mut data = vec![0.0; 64];
        let run = |pool: &mut ThreadPool, data: &mut [f32], is_bad: fn(usize) -> bool| {
            let matrix = Tiled { data, n_cols: 1, tile_rows: TileRows::Even(1), tile_cols: 1 };
            pool.for_each_tile(&mut [(), ()], [matrix], |(), tile_idx, _| {
                assert!(!is_bad(tile_idx));
            });
        };
        for is_bad in [|tile_idx| tile_idx == 40, |_| true] {
            let caught = catch_unwind(AssertUnwindSafe(|| run(&mut pool, &mut data, is_bad)));
            assert!(caught.is_err());
            run(&mut pool, &mut data, |_| false);
        }
    }
}
