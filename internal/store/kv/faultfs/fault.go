package faultfs

import "syscall"

// Kind is a kind of calls that change something.
type Kind string

// The kinds of calls.
const (
	Open       Kind = "open" // also makes the file
	Write      Kind = "write"
	Truncate   Kind = "truncate"
	Sync       Kind = "sync"
	Rename     Kind = "rename"
	Remove     Kind = "remove"
	SyncFolder Kind = "sync folder"
)

// Site is a kind of calls of one file. Name is the file's name in its folder, which for Rename is the old one and for
// SyncFolder empty.
type Site struct {
	Kind Kind
	Name string
}

// Mode says what a call does that fails.
type Mode string

// The modes of faults.
const (
	// Before fails without any effect. A sync that fails so loses some of what was not synced, for good.
	Before Mode = "before"
	// After has its effect, and returns the error nevertheless.
	After Mode = "after"
	// Short is of Write: it writes the first half and says so, and what follows fails.
	Short Mode = "short"
	// Halt is as a loss of power at this moment: neither this call nor any later one changes anything, and all return EIO.
	Halt Mode = "halt"
)

// Fault hits the Nth call at a site, from 1, and those after it up to Count.
type Fault struct {
	Site  Site
	Nth   int
	Count int // 0 is 1
	Errno syscall.Errno
	Mode  Mode
}
