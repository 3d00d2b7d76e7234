// Package limit admits no more than it was told to for each key, in memory that
// no number of keys makes grow.
//
// Rates bounds how often something happens, Counts how much of it goes on at a
// time. Turns has no keys: it makes what takes long wait for each other. Keys are whatever tells callers
// apart: a user, or the network that Network makes of an address. Nothing here
// knows of calls, connections or errors; the server does, and asks. Everything
// is safe for concurrent use, starts no goroutine, and allocates nothing for a key that it knows.
// A nil *Rates, *Counts or *Turns has no limit and admits everything.
package limit
