package kv

import (
	"errors"
	"os"
)

// FS changes the names of files. A test puts faults there; nil is the system's own.
// What is in the files goes through *os.File, and bbolt maps it into memory.
type FS interface {
	// OpenFile is os.OpenFile.
	OpenFile(name string, flag int, mode os.FileMode) (*os.File, error)
	// Rename puts a file in the place of another.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncFolder makes the names in a folder durable.
	SyncFolder(name string) error
}

type osFS struct{}

func (osFS) OpenFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, mode)
}
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) SyncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
