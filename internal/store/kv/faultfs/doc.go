// Package faultfs is a file system of tests: its calls fail on demand, and a
// crash leaves no more of it than what was synced, and parts of the rest.
//
// It is a FUSE file system, because bbolt takes no seam for what it writes and
// maps its file into memory. It runs in a process of its own, the test's program once
// more: a process that waits for a mapped page cannot serve it. Folders at its
// root are independent of each other; each holds files only. The kernel must have
// FUSE, and the test runs as root, which mounts without a helper.
//
// TestMain of a package that uses it begins with
//
//	if faultfs.IsChild() {
//		os.Exit(faultfs.Serve())
//	}
//
// A folder counts the calls that change something by Site. A Fault hits one of them. What was
// written and not synced may be lost in a crash, in part and in any order; a sync that fails loses some of it for good, as
// Linux does. Names are durable once their folder is synced.
package faultfs
