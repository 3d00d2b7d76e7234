// Command stintd-shim watches over local jobs of stintd, which starts it, one after the other.
package main

import (
	"os"
	"runtime"

	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// version is set by the build.
var version = "dev"

func init() { //nolint:gochecknoinits // before anything else
	runtime.LockOSThread() // the shim has one thread; only here it is that which the process began with
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == shim.VersionArgument {
		os.Exit(shim.PrintVersion(os.Stdout, version))
	}
	os.Exit(shim.Main(os.Args[1:]))
}
