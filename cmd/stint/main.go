// Command stint is the command line of Stint. Everything is in internal/cli.
package main

import (
	"os"

	"github.com/stint-jobs/stint/internal/cli"
)

// version is set by the linker.
var version string

func main() {
	cli.Version = version
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
