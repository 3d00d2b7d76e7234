package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// folder is a local directory that files are brought into. Whatever the server
// calls them, they stay below it: names are checked, and os.Root refuses links that lead out.
type folder struct {
	root *os.Root
	// replace lets files that are there be replaced.
	replace bool
	// mode is that of new files, less the process's mask.
	mode os.FileMode
}

// openFolder opens a directory, which is made when it is missing.
func openFolder(dir string, replace bool) (*folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	return &folder{root: root, replace: replace, mode: 0o666}, nil
}

func (f *folder) close() { _ = f.root.Close() }

// errUnsafeName is a name that no file here may get.
var errUnsafeName = errors.New("unsafe file name")

// localName checks a slash-separated path from the server: relative, without
// "..", and with nothing in it that a terminal or a file system takes amiss.
func localName(remote string) (string, error) {
	bad := remote == "" || strings.ContainsFunc(remote, unsafe) || strings.HasSuffix(remote, "/")
	for part := range strings.SplitSeq(remote, "/") {
		bad = bad || part == "" || part == "." || part == ".." || len(part) > 255
	}
	name := filepath.FromSlash(remote)
	if bad || !filepath.IsLocal(name) {
		return "", fmt.Errorf("%w %q", errUnsafeName, remote)
	}
	return name, nil
}

// create opens a file for what the server calls remote. It has its name only
// once commit was called; until then, and after discard, nothing is there.
func (f *folder) create(remote string) (*pendingFile, error) {
	name, err := localName(remote)
	if err != nil {
		return nil, err
	}
	if info, err := f.root.Lstat(name); err == nil && (!f.replace || info.IsDir()) {
		return nil, &fs.PathError{Op: "save", Path: filepath.Join(f.root.Name(), name), Err: errExists}
	}
	dir := filepath.Dir(name)
	if err := f.root.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", name, err)
	}
	temp := filepath.Join(dir, ".stint-"+rand.Text()+".part")
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return &pendingFile{folder: f, file: file, temp: temp, name: name}, nil
}

var errExists = errors.New("is there already; another name or --force helps")

// pendingFile is a file that is being written.
type pendingFile struct {
	folder     *folder
	file       *os.File
	temp, name string
}

// Write appends to the file.
func (p *pendingFile) Write(b []byte) (int, error) { return p.file.Write(b) }

// commit gives the file its name.
func (p *pendingFile) commit() error {
	err := p.file.Close()
	if err == nil {
		err = p.folder.root.Rename(p.temp, p.name)
	}
	if err != nil {
		_ = p.folder.root.Remove(p.temp)
		return fmt.Errorf("write %s: %w", p.name, err)
	}
	return nil
}

// discard takes the file away.
func (p *pendingFile) discard() {
	_ = p.file.Close()
	_ = p.folder.root.Remove(p.temp)
}

// receive brings one file from fetch to where the user wants it: the file
// named by output, standard output for "-", or for none the folder "." under
// the file's own name.
func (a *app) receive(remote, output string, force bool, fetch func(io.Writer) error) error {
	if output == "-" {
		return fetch(a.out)
	}
	dir, name := ".", path.Base(remote)
	if output != "" {
		// The user named the file, so replacing it is what was asked for.
		dir, name, force = filepath.Dir(output), filepath.Base(output), true
		if info, err := os.Stat(output); err == nil && info.IsDir() || strings.HasSuffix(output, "/") {
			return usagef("-o %s is a folder; name a file", output)
		}
	}
	f, err := openFolder(dir, force)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.receive(name, fetch); err != nil {
		return err
	}
	if a.screen.errTTY {
		say(a.err, "%s", filepath.Join(dir, name))
	}
	return nil
}

// receive brings one file into the folder, whole or not at all.
func (f *folder) receive(name string, fetch func(io.Writer) error) error {
	p, err := f.create(name)
	if err != nil {
		return err
	}
	if err := fetch(p); err != nil {
		p.discard()
		return err
	}
	return p.commit()
}
