package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// uploadsFolder holds the files that `stint submit` uploads: below a folder
// named by their content, so that the same content is there once.
const uploadsFolder = "/uploads"

// slowToRead is the size from which on reading a file for its hash gets a progress bar.
const slowToRead = 64 << 20

func isLocalFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// checkInputs finds what is wrong with the files before any of them is uploaded.
func checkInputs(files []localFile) error {
	var problems []string
	for _, f := range files {
		info, err := os.Stat(f.path)
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("-p %s: %v", f.parameter, err))
		case !info.Mode().IsRegular():
			problems = append(problems, fmt.Sprintf("-p %s: %s is no regular file", f.parameter, f.path))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &usageError{text: "not every file can be uploaded:", details: problems}
}

// putInputs uploads the files that parameters name, each once, and puts their
// paths in the workspace into the parameters. With dryRun nothing is uploaded;
// the answer has the parameters whose files are not there yet.
func (a *app) putInputs(ctx context.Context, files []localFile, dryRun bool) (missing []string, err error) {
	if err := checkInputs(files); err != nil {
		return nil, err
	}
	done := make(map[string]string)
	absent := make(map[string]bool)
	for _, f := range files {
		if done[f.path] == "" {
			in, err := a.readInput(ctx, f.path)
			if err != nil {
				return nil, err
			}
			there := true
			if dryRun {
				there, err = a.hasInput(ctx, in)
			} else {
				err = a.putInput(ctx, in)
			}
			if err != nil {
				return nil, err
			}
			done[f.path], absent[f.path] = in.remote, !there
		}
		if dryRun && absent[f.path] {
			missing = append(missing, f.parameter)
		}
		f.value.Kind = &structpb.Value_StringValue{StringValue: done[f.path]}
	}
	return missing, nil
}

// input is a file that is to be in the workspace.
type input struct {
	local  string
	remote string // below a folder that is named after the content
	sha256 string
	size   int64
}

// readInput reads a file to find out where it belongs in the workspace.
func (a *app) readInput(ctx context.Context, name string) (input, error) {
	f, err := os.Open(name)
	if err != nil {
		return input{}, fmt.Errorf("read input: %w", err)
	}
	defer f.Close()
	h, b := sha256.New(), &bar{}
	if info, err := f.Stat(); err == nil && info.Size() >= slowToRead {
		b = a.bar("Reading "+info.Name(), info.Size())
	}
	size, err := io.Copy(io.MultiWriter(h, b), contextReader{ctx, f})
	b.end(err)
	if err != nil {
		return input{}, fmt.Errorf("read input %s: %w", name, err)
	}
	sum := h.Sum(nil)
	remote := path.Join(uploadsFolder, hex.EncodeToString(sum[:16]), filepath.Base(name))
	return input{local: name, remote: remote, sha256: hex.EncodeToString(sum), size: size}, nil
}

// hasInput reports whether a file of that name and size is in the workspace, for a dry run.
func (a *app) hasInput(ctx context.Context, in input) (bool, error) {
	client, err := a.workspace()
	if err != nil {
		return false, err
	}
	var res *workspacev1.ListResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.List(ctx, &workspacev1.ListRequest{Path: path.Dir(in.remote)})
		return err
	})
	if s, ok := callStatus(err); ok && s.Code() == codes.NotFound {
		return false, nil
	}
	for _, e := range res.GetEntries() {
		if e.GetPath() == in.remote && !e.GetFolder() && e.GetSizeBytes() == in.size {
			return true, nil
		}
	}
	return false, err
}

// putInput uploads one input, unless the server finds by reading it that the same content is there. What is there
// with another content, under a name that says this one, is replaced.
func (a *app) putInput(ctx context.Context, in input) error {
	return a.uploadFile(ctx, in.local, wanted{path: in.remote, overwrite: true, sha256: in.sha256})
}

// contextReader ends a long read when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // it lives as long as one io.Copy
	r   io.Reader
}

// Read reads unless the context has ended.
func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// errChanged says that a file was written to while it was uploaded.
var errChanged = errors.New("the file changed while it was uploaded")
