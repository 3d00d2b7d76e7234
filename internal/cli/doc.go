// Package cli is the `stint` command line: whatever it shows is true to the
// server's answer, its exit code says how it ended, and nothing that a user or
// a server wrote drives the terminal or leaves the folder it was asked for.
//
// It talks to the server over the published gRPC API alone and shares no code
// with it. Each verb has a file of its own; client.go makes the connection,
// retry.go and follow.go survive losing it, output.go and table.go print,
// errors.go turns errors into words and exit codes.
package cli
