package server

import (
	"os"
	"testing"
)

// TestMain lets the test's binary be the child that checks a database file.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == checkFile {
		os.Exit(Main(os.Args, Streams{Out: os.Stdout, Err: os.Stderr}, "test"))
	}
	os.Exit(m.Run())
}
