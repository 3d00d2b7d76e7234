// Command stintd runs jobs and serves them over gRPC and REST.
package main

import (
	"os"

	"github.com/stint-jobs/stint/internal/server"
)

// version is set by the build.
var version = "dev"

func main() {
	os.Exit(server.Main(os.Args, server.Streams{Out: os.Stdout, Err: os.Stderr}, version))
}
