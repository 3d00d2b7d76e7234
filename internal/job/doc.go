// Package job is the vocabulary of Stint: ids, states and which may follow
// which, what a valid request is, and the errors that every other package
// speaks in. It is pure: no I/O, no clock, no state of its own.
//
// The proto message is the domain type. A message that was stored or published
// is read-only; only the copy that store.Update hands out may be changed.
package job
