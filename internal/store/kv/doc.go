// Package kv keeps buckets of keys and values in one bbolt file: what was
// acknowledged is there after any fault.
//
// # Writing
//
// Many callers share one commit. Do hands an operation to the writer, which
// stages what is waiting into one transaction, commits it with bbolt's own two
// syncs, has Config.Apply bring the memory of the program up to date, and releases the
// callers. There is no log: the file is a valid database at every moment, and
// any tool for bbolt reads it.
//
// An operation writes by Tx.Put, Tx.Delete and Tx.NextSequence only. Each appends
// itself to the entry of the batch, a string of bytes that holds the whole
// change. Config.Apply gets nothing but these bytes, and DB.ApplyEntry gives a second
// database the same buckets from them.
//
// An operation that fails after it has written, panics, or makes the entry too
// large is cut out. bbolt has no savepoints, so the transaction is
// rolled back, the operations before it are staged again and committed, and those
// after it form the next batch.
//
// # Outcomes
//
// A call of Do has one of three outcomes.
//
//   - Acknowledged: nil. The change is on disk.
//   - Refused: ErrOverloaded, ErrNoSpace, ErrClosed, ErrFailed, a *TooLargeError, a
//     *PanicError, the error of the context, or what Op.Stage or Config.Finish returned.
//     Nothing of it is there, and never will be.
//   - Unknown: ErrUnknown. It is there whole or not at all.
//
// # Faults
//
// Without space (ENOSPC or EDQUOT, from whatever call) a commit that has not
// written its meta page has not happened. bbolt rolls it back, and the pages it
// wrote are free pages, which no later reader believes. A
// read transaction tells whether the meta page was written: it sees the page cache, which is
// what the system writes back, and a torn meta page fails its checksum. The callers get ErrNoSpace, and so does
// everybody else at once until there is room. Operations of the server itself
// (Op.Internal) wait in order instead. The reserve, a file that only occupies space, is
// given up for them. About once a second a probe writes and syncs a file. When it succeeds, the waiting
// operations are committed, the reserve is made again, and the database takes all operations.
//
// After any other error of a commit nobody knows what the disk holds, as a system
// may drop the pages that it could not write. The callers get ErrUnknown, Failed is closed, and
// nothing is acknowledged any more. The program should end and be started again: the
// file has everything that was acknowledged, because bbolt never writes to a page
// that the last synced meta page refers to. A panic of bbolt, such as a page
// assertion, is treated alike.
//
// Names are durable state too. A file that is made or renamed counts once its folder is synced.
//
// # The list of free pages
//
// bbolt stores its list of free pages in each commit, or makes it at the next
// start, and after each commit that failed, by a walk through all pages. A short list
// costs nothing to store. A long one, as a purge leaves it, is written anew by every
// commit: 90,000 free pages cost 5 ms each time. The walk takes 0.3 s for 200,000 records of 2 kB. So a
// commit stores the list while it is short, and Close stores any. BenchmarkFreeList and BenchmarkOpen measure it.
package kv
