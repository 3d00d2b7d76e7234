package kv

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// ViewFile calls fn with the state of the database of a server that does not run, or of a snapshot, and returns its
// error. It changes nothing. A page that cannot be read is ErrDamaged.
func ViewFile(path string, fn func(*ReadTx) error) error {
	cfg := Config{Path: path}
	cfg.setDefaults()
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	b, _, err := openBolt(&cfg, opening{path: path, readOnly: true, check: checkLength})
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	err = guard(func() error {
		return b.View(func(tx *bolt.Tx) error { return fn(&ReadTx{bolt: tx}) })
	})
	if isPanic(err) {
		err = fmt.Errorf("read database %s: %w: %w", path, ErrDamaged, err)
	}
	return errors.Join(err, b.Close())
}
