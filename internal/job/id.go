package job

import "github.com/stint-jobs/stint/internal/job/terms"

// ID is the number of a job: decimal in the API, 8 bytes big endian as a key on
// disk. Numbers grow in the order of submission; 0 is never given out.
type ID = terms.ID

// ParseID reads the decimal form, and refuses what is another way to write it.
func ParseID(s string) (ID, error) { return terms.ParseID(s) }

// IDFromKey reads what ID.Key wrote.
func IDFromKey(k []byte) ID { return terms.IDFromKey(k) }
