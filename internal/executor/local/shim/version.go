//go:build linux

package shim

import (
	"fmt"
	"hash/fnv"
	"io"
)

// VersionArgument makes the program say which shim it is, and end.
const VersionArgument = "--version"

// Version is a build's version with a mark of what a shim is told and tells, so that two builds
// that nobody gave a version do not pass for the same when they do not understand each other.
func Version(build string) string {
	shape := fnv.New64a()
	fmt.Fprintf(shape, "%+v %+v %+v %+v %+v %+v", Launch{}, Boxed{}, State{}, Order{}, Report{}, Refusal{})
	return fmt.Sprintf("%s %016x", build, shape.Sum64())
}

// PrintVersion is the program's answer to VersionArgument. It answers the exit code.
func PrintVersion(to io.Writer, build string) int {
	if _, err := fmt.Fprintln(to, Version(build)); err != nil {
		return 1
	}
	return 0
}
