// Package shim is the process that supervises one attempt of package local: Main is all of its life.
//
// There is one for each attempt, started each time, so what it links is what each job pays for: the
// program cmd/stintd-shim starts in a few milliseconds, stintd itself, which can be the shim as well,
// in forty. So nothing here knows the API, its messages or gRPC. What the server and a shim have
// in common, files and a report, is here too.
package shim
