package cli

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// Version is what the build calls itself. The linker sets it through main;
// empty means what Go's own build information says.
var Version string

func version() string {
	var built string
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		built = info.Main.Version
	}
	return cmp.Or(Version, built, "devel")
}

func newVersionCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program (stint server shows the server's)",
		Args:  arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(context.Context, []string) error {
		platform := runtime.GOOS + "/" + runtime.GOARCH
		message := &structpb.Struct{Fields: map[string]*structpb.Value{
			"version":  structpb.NewStringValue(version()),
			"go":       structpb.NewStringValue(runtime.Version()),
			"platform": structpb.NewStringValue(platform),
		}}
		return a.show(*f, answer{
			messages: []proto.Message{message},
			names:    []string{version()},
			table: func() error {
				say(a.out, "stint %s (%s, %s)", version(), runtime.Version(), platform)
				return nil
			},
		})
	})
	return cmd
}
