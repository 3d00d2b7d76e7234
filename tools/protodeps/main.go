// Command protodeps writes the third-party .proto files that ours may import
// to a folder, printed from the descriptors compiled into Go modules.
//
// It stands where a schema registry would: versions come from tools/go.mod,
// integrity from tools/go.sum, a fresh clone needs nothing but the Go module
// proxy, and nothing of others is committed. To make one more file importable,
// add a blank import of its generated Go package below.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	_ "google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// builtin is the path prefix of the well-known types, which buf brings itself.
const builtin = "google/protobuf/"

func main() {
	out := flag.String("out", "", "folder to write to; it is created, and must not exist yet")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintf(os.Stderr, "protodeps: %v\n", err)
		os.Exit(1)
	}
}

// run writes every registered descriptor but the well-known types below out.
// A folder that is already there is refused: a leftover file in it would keep
// an import alive that go.mod no longer brings.
func run(out string) error {
	if out == "" {
		return errors.New("-out is required")
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("%s: already there", out)
	}
	printer := protoprint.Printer{}
	var failed error
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(fd.Path(), builtin) {
			failed = write(&printer, filepath.Join(out, filepath.FromSlash(fd.Path())), fd)
		}
		return failed == nil
	})
	return failed
}

func write(printer *protoprint.Printer, path string, fd protoreflect.FileDescriptor) error {
	text, err := printer.PrintProtoToString(fd)
	if err != nil {
		return fmt.Errorf("print %s: %w", fd.Path(), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", fd.Path(), err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", fd.Path(), err)
	}
	return nil
}
