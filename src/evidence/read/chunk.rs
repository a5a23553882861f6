//! Some rows of a row group, column by column: all of them, or those that are chosen.

use crate::error::Result;
use crate::evidence::MISSING;
use crate::store::parquet::encoding;
use crate::store::parquet::pages::{ChunkPages, DataPage, PageFile};
use parquet::basic::Encoding;
use std::ops::Range;

/// Some rows of a row group.
pub struct Chunk<'a> {
    /// Where they are.
    pub file: &'a PageFile<'a>,
    /// Row group.
    pub group: usize,
    /// Rows, counted from the first of the row group.
    pub rows: Range<u64>,
}

/// Buffers that are used again.
#[derive(Default)]
pub struct Spare {
    page: Vec<u8>,
    dictionary: Vec<u8>,
    numbers: Vec<i32>,
    levels: Vec<u32>,
    indexes: Vec<u32>,
    values: Vec<i32>,
}

/// Texts of the chosen rows of a column.
#[derive(Default)]
pub struct Texts {
    /// The dictionary, and the pages that hold texts.
    arenas: Vec<Vec<u8>>,
    /// Arena, start and end of each; [`NO_TEXT`] where it is null.
    places: Vec<(u32, u32, u32)>,
}

/// The arena of a text that is null.
const NO_TEXT: u32 = u32::MAX;

impl Texts {
    /// The text of a row; `None`: null.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let (arena, start, end) = self.places[row];
        (arena != NO_TEXT).then(|| &self.arenas[arena as usize][start as usize..end as usize])
    }
}

impl Chunk<'_> {
    /// Integers of the rows, or of those that are listed (counted from the first row of the chunk, ascending), into
    /// `values`: [`MISSING`] where they are null.
    pub fn integers(&self, name: &str, chosen: Option<&[u32]>, values: &mut Vec<i32>, spare: &mut Spare) -> Result<()> {
        let pages = self.file.pages(self.group, name, &self.rows)?;
        let mut numbers = std::mem::take(&mut spare.numbers);
        numbers.clear();
        encoding::plain(pages.dictionary(&mut spare.dictionary)?, &mut numbers);
        let found = self.values(&pages, &Meaning::Numbers(&numbers), chosen, values, spare);
        spare.numbers = numbers;
        found
    }

    /// Places in the dictionary of a column of texts of the chosen rows, [`MISSING`] for null; and the dictionary.
    pub fn codes(&self, name: &str, chosen: &[u32], values: &mut Vec<i32>, spare: &mut Spare) -> Result<Vec<String>> {
        let pages = self.file.pages(self.group, name, &self.rows)?;
        let texts = encoding::plain_texts(pages.dictionary(&mut spare.dictionary)?);
        let texts: Vec<String> = texts.ok_or_else(|| pages.broken())?.into_iter().map(str::to_string).collect();
        self.values(&pages, &Meaning::Codes(texts.len()), Some(chosen), values, spare)?;
        Ok(texts)
    }

    /// Texts of the chosen rows.
    pub fn texts(&self, name: &str, chosen: &[u32], spare: &mut Spare) -> Result<Texts> {
        let pages = self.file.pages(self.group, name, &self.rows)?;
        let mut texts = Texts::default();
        texts.places.reserve(chosen.len());
        let mut dictionary = Vec::new();
        pages.dictionary(&mut dictionary)?;
        let entries = text_places(&dictionary, usize::MAX).ok_or_else(|| pages.broken())?;
        texts.arenas.push(dictionary);
        for (place, rows) in pages.rows().enumerate() {
            let here = self.chosen_in(chosen, &rows);
            if here.is_empty() {
                continue;
            }
            let mut buffer = std::mem::take(&mut spare.page);
            let page = pages.page(place, &mut buffer)?;
            let in_page = here.iter().map(|&row| (u64::from(row) + self.rows.start - rows.start) as usize);
            let is_plain = page.encoding == Encoding::PLAIN;
            let found = match is_plain {
                true => texts.take_plain(&page, in_page, spare),
                false => texts.take_coded(&page, &entries, in_page, spare),
            };
            found.ok_or_else(|| pages.broken())?;
            match is_plain {
                true => texts.arenas.push(buffer),
                false => spare.page = buffer,
            }
        }
        if texts.places.len() == chosen.len() { Ok(texts) } else { Err(pages.broken()) }
    }

    /// Those of the chosen rows that are among some rows of the group.
    fn chosen_in<'c>(&self, chosen: &'c [u32], rows: &Range<u64>) -> &'c [u32] {
        let before = |row: u64| chosen.partition_point(|&chosen| u64::from(chosen) + self.rows.start < row);
        &chosen[before(rows.start)..before(rows.end)]
    }

    fn values(
        &self,
        pages: &ChunkPages,
        meaning: &Meaning,
        chosen: Option<&[u32]>,
        values: &mut Vec<i32>,
        spare: &mut Spare,
    ) -> Result<()> {
        values.clear();
        for (place, rows) in pages.rows().enumerate() {
            let here = chosen.map(|chosen| self.chosen_in(chosen, &rows));
            if here.is_some_and(<[u32]>::is_empty) {
                continue;
            }
            let mut buffer = std::mem::take(&mut spare.page);
            let page = pages.page(place, &mut buffer)?;
            let found = match here {
                None => self.take_all(&page, meaning, (&rows, values), spare),
                Some(here) => {
                    let in_page = here.iter().map(|&row| (u64::from(row) + self.rows.start - rows.start) as usize);
                    take_chosen(&page, meaning, (in_page, values), spare)
                }
            };
            spare.page = buffer;
            found.ok_or_else(|| pages.broken())?;
        }
        let n_rows = chosen.map_or((self.rows.end - self.rows.start) as usize, <[u32]>::len);
        if values.len() == n_rows { Ok(()) } else { Err(pages.broken()) }
    }

    /// Appends the rows of the chunk that are in a page.
    fn take_all(
        &self,
        page: &DataPage,
        meaning: &Meaning,
        (rows, values): (&Range<u64>, &mut Vec<i32>),
        spare: &mut Spare,
    ) -> Option<()> {
        let before = values.len();
        read_page(page, meaning, values, spare)?;
        // what is before or behind the wanted rows
        let end = self.rows.end.saturating_sub(rows.start).min(page.n_values as u64);
        let skip = self.rows.start.saturating_sub(rows.start).min(end);
        values.truncate(before + end as usize);
        values.drain(before..before + skip as usize);
        Some(())
    }
}

/// What the indexes of a page stand for.
enum Meaning<'d> {
    /// Numbers.
    Numbers(&'d [i32]),
    /// Themselves, below a number.
    Codes(usize),
}

impl Meaning<'_> {
    #[inline]
    fn value(&self, index: u32) -> Option<i32> {
        match self {
            Meaning::Numbers(numbers) => numbers.get(index as usize).copied(),
            Meaning::Codes(n) => ((index as usize) < *n).then_some(index as i32),
        }
    }
}

/// The levels of a page of a nullable column, and what is behind them.
fn levels<'p>(page: &DataPage<'p>) -> Option<(&'p [u8], &'p [u8])> {
    if !page.nullable {
        return Some((&[], page.body));
    }
    let (len, rest) = page.body.split_at_checked(4)?;
    rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)
}

/// Appends the values at some places of a page, ascending.
fn take_chosen(
    page: &DataPage,
    meaning: &Meaning,
    (places, values): (impl Iterator<Item = usize>, &mut Vec<i32>),
    spare: &mut Spare,
) -> Option<()> {
    match packed(page, meaning) {
        Some(Packed { bit_width: 0, one, .. }) => values.extend(places.map(|_| one)),
        Some(Packed { bytes, bit_width, .. }) => {
            for place in places {
                values.push(meaning.value(encoding::packed_value(bytes, bit_width, place))?);
            }
        }
        None => {
            let mut all = std::mem::take(&mut spare.values);
            all.clear();
            read_page(page, meaning, &mut all, spare)?;
            values.extend(places.map(|place| all[place]));
            spare.values = all;
        }
    }
    Some(())
}

/// Indexes of a page that can be taken out one by one, none of them null.
struct Packed<'a> {
    bytes: &'a [u8],
    /// 0: all values are `one`.
    bit_width: u32,
    one: i32,
}

/// The page, if it is one run of a value or of packed indexes; `None`: it is to be read as a whole.
fn packed<'p>(page: &DataPage<'p>, meaning: &Meaning) -> Option<Packed<'p>> {
    let (levels, bytes) = levels(page)?;
    let has_value = if page.nullable { encoding::single_run(levels, 1, page.n_values)? } else { 1 };
    if has_value > 1 {
        return None;
    }
    if has_value == 0 {
        return Some(Packed { bytes: &[], bit_width: 0, one: MISSING });
    }
    if page.encoding != Encoding::RLE_DICTIONARY {
        return None;
    }
    let (&bit_width, bytes) = bytes.split_first()?;
    let bit_width = u32::from(bit_width);
    if let Some(index) = encoding::single_run(bytes, bit_width, page.n_values) {
        return Some(Packed { bytes: &[], bit_width: 0, one: meaning.value(index)? });
    }
    let bytes = encoding::single_packed_run(bytes, bit_width, page.n_values)?;
    Some(Packed { bytes, bit_width, one: MISSING })
}

/// How many entries a page has, and how many of them are not null.
#[derive(Clone, Copy)]
struct Present {
    n_values: usize,
    n_present: usize,
}

/// Reads the levels of a page into `spare`, unless all are the same; and what is behind them.
fn read_levels<'p>(page: &DataPage<'p>, spare: &mut Vec<u32>) -> Option<(Present, &'p [u8])> {
    let (levels, bytes) = levels(page)?;
    let n_values = page.n_values;
    spare.clear();
    let n_present = match page.nullable {
        false => n_values,
        true => match encoding::single_run(levels, 1, n_values) {
            Some(level @ (0 | 1)) => n_values * level as usize,
            Some(_) => return None,
            None => {
                encoding::hybrid(levels, 1, n_values, spare)?;
                // a run may hold any byte
                if spare.iter().any(|&level| level > 1) {
                    return None;
                }
                spare.iter().map(|&level| level as usize).sum()
            }
        },
    };
    Some((Present { n_values, n_present }, bytes))
}

/// Appends all values of a page.
fn read_page(page: &DataPage, meaning: &Meaning, values: &mut Vec<i32>, spare: &mut Spare) -> Option<()> {
    let (Present { n_present, .. }, bytes) = read_levels(page, &mut spare.levels)?;
    let before = values.len();
    match page.encoding {
        _ if n_present == 0 => {}
        Encoding::RLE_DICTIONARY => read_indexes((bytes, n_present), meaning, values, &mut spare.indexes)?,
        Encoding::DELTA_BINARY_PACKED if matches!(meaning, Meaning::Numbers(_)) => {
            encoding::delta(bytes, n_present, values)?
        }
        Encoding::PLAIN if matches!(meaning, Meaning::Numbers(_)) => encoding::plain(bytes, values),
        _ => return None,
    }
    if values.len() != before + n_present {
        return None;
    }
    if n_present == 0 {
        values.resize(before + page.n_values, MISSING);
    } else if n_present < page.n_values {
        spread(values, before, &spare.levels);
    }
    Some(())
}

fn read_indexes(
    (bytes, n_present): (&[u8], usize),
    meaning: &Meaning,
    values: &mut Vec<i32>,
    indexes: &mut Vec<u32>,
) -> Option<()> {
    let (&bit_width, bytes) = bytes.split_first()?;
    if let Some(index) = encoding::single_run(bytes, u32::from(bit_width), n_present) {
        values.resize(values.len() + n_present, meaning.value(index)?);
        return Some(());
    }
    indexes.clear();
    encoding::hybrid(bytes, u32::from(bit_width), n_present, indexes)?;
    meaning.value(indexes.iter().copied().fold(0, u32::max))?;
    match meaning {
        Meaning::Numbers(numbers) => values.extend(indexes.iter().map(|&index| numbers[index as usize])),
        Meaning::Codes(_) => values.extend(indexes.iter().map(|&index| index as i32)),
    }
    Some(())
}

/// Moves the values from `start` on to the places whose level is 1; the others become [`MISSING`].
fn spread(values: &mut Vec<i32>, start: usize, levels: &[u32]) {
    let mut from = values.len();
    values.resize(start + levels.len(), MISSING);
    for (place, &level) in levels.iter().enumerate().rev() {
        values[start + place] = if level == 1 {
            from -= 1;
            values[from]
        } else {
            MISSING
        };
    }
}

/// Where texts in PLAIN form begin and end, up to `most` of them.
fn text_places(bytes: &[u8], most: usize) -> Option<Vec<(u32, u32)>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < most {
        let len = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        let start = at + 4;
        bytes.get(start..start.checked_add(len)?)?;
        found.push((u32::try_from(start).ok()?, u32::try_from(start + len).ok()?));
        at = start + len;
    }
    Some(found)
}

impl Texts {
    /// Appends texts of a page that will be the next arena.
    fn take_plain(&mut self, page: &DataPage, places: impl Iterator<Item = usize>, spare: &mut Spare) -> Option<()> {
        let (present, bytes) = read_levels(page, &mut spare.levels)?;
        let arena = self.arenas.len() as u32;
        let shift = u32::try_from(page.body.len() - bytes.len()).ok()?;
        let texts = text_places(bytes, present.n_present)?;
        self.take(present, &spare.levels, places, |nth| {
            let (start, end) = *texts.get(nth)?;
            Some((arena, start + shift, end + shift))
        })
    }

    /// Appends texts of the dictionary, which is the first arena.
    fn take_coded(
        &mut self,
        page: &DataPage,
        entries: &[(u32, u32)],
        places: impl Iterator<Item = usize>,
        spare: &mut Spare,
    ) -> Option<()> {
        let (present, bytes) = read_levels(page, &mut spare.levels)?;
        let mut codes = std::mem::take(&mut spare.values);
        codes.clear();
        if present.n_present > 0 {
            let meaning = Meaning::Codes(entries.len());
            read_indexes((bytes, present.n_present), &meaning, &mut codes, &mut spare.indexes)?;
        }
        let found = self.take(present, &spare.levels, places, |nth| {
            let (start, end) = *entries.get(*codes.get(nth)? as usize)?;
            Some((0, start, end))
        });
        spare.values = codes;
        found
    }

    /// Appends the texts at some places; `of(n)`: the n-th that is not null.
    fn take(
        &mut self,
        Present { n_values, n_present }: Present,
        levels: &[u32],
        places: impl Iterator<Item = usize>,
        of: impl Fn(usize) -> Option<(u32, u32, u32)>,
    ) -> Option<()> {
        let (mut at, mut n_before) = (0, 0);
        for place in places {
            if n_present == n_values {
                self.places.push(of(place)?);
                continue;
            }
            if n_present == 0 {
                self.places.push((NO_TEXT, 0, 0));
                continue;
            }
            n_before += levels.get(at..place)?.iter().filter(|&&level| level == 1).count();
            at = place;
            self.places.push(if levels[place] == 1 { of(n_before)? } else { (NO_TEXT, 0, 0) });
        }
        Some(())
    }
}
