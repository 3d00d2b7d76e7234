// Package shim is the process that supervises an attempt of package local: Main is all of its life.
//
// It has one attempt at a time. When that is over and nothing of it is left, it waits a while for
// the server's order to supervise another one, so that a row of short jobs does not pay for the
// start of a program each. What it links is what a start costs: the program cmd/stintd-shim starts in
// a few milliseconds, stintd itself, which can be the shim as well, in forty. So nothing here knows the
// API, its messages or gRPC. What the server and a shim have in common, files, orders and reports, is here too.
package shim
