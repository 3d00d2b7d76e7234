// Command stintd-shim watches over one local job of stintd, which starts it.
package main

import (
	"os"

	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// version is set by the build.
var version = "dev"

func main() {
	if len(os.Args) == 2 && os.Args[1] == shim.VersionArgument {
		os.Exit(shim.PrintVersion(os.Stdout, version))
	}
	os.Exit(shim.Main(os.Args[1:]))
}
