// Package e2e tests the real binaries from outside: over their ports, on real
// processes that are killed, and through the command line.
package e2e
