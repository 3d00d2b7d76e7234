package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// The text of a job's token is `stintjob_` and, in base 32, which attempt of whose job it is for and until
// when, followed by an HMAC-SHA256 over that and the installation. Nothing is stored for it: whoever has the
// key can make it and check it. It says nothing that the job's command does not know anyhow.
const (
	jobTokenDomain = "stint job token 1\x00" // so that the key cannot be made to sign anything else
	jobTokenMost   = 1 << 10
	jobKeyLength   = 32
)

// JobTokens makes and checks the tokens in the environment of jobs' commands. Such a
// token is good for JobService.Report alone. It stops working when it expires; that it stops with
// its attempt is for the handler to see, who can look into the store.
type JobTokens struct {
	key     []byte
	install string
}

// NewJobTokens makes it from the installation's secret key of 32 bytes and its id.
func NewJobTokens(key []byte, install string) (*JobTokens, error) {
	if len(key) != jobKeyLength || install == "" {
		return nil, fmt.Errorf("auth: tokens of jobs need a key of %d bytes and the installation's id", jobKeyLength)
	}
	return &JobTokens{key: key, install: install}, nil
}

// JobClaim is what a job's token says.
type JobClaim struct {
	// Job and Attempt are whose command it was given to.
	Job     job.ID
	Attempt int
	// Owner of the job.
	Owner string
	// Expires is when it stops working in any case, to the second.
	Expires time.Time
}

// Issue is the text of a token. The same claim gives the same text.
func (k *JobTokens) Issue(c JobClaim) string {
	var b []byte
	b = binary.AppendUvarint(b, uint64(c.Job))
	b = binary.AppendUvarint(b, uint64(c.Attempt))        //nolint:gosec // attempts count from 1
	b = binary.AppendUvarint(b, uint64(c.Expires.Unix())) //nolint:gosec // not before 1970
	b = append(b, c.Owner...)
	return jobTokenPrefix + base.EncodeToString(append(b, k.sum(b)...))
}

func (k *JobTokens) sum(claim []byte) []byte {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(jobTokenDomain + k.install + "\x00"))
	mac.Write(claim)
	return mac.Sum(nil)
}

// Read is what a token says, expired or not, if this installation made it.
func (k *JobTokens) Read(text string) (JobClaim, error) {
	body, ok := strings.CutPrefix(text, jobTokenPrefix)
	if !ok || len(text) > jobTokenMost {
		return JobClaim{}, errNoToken
	}
	b, err := base.DecodeString(body)
	if err != nil || len(b) <= sha256.Size || base.EncodeToString(b) != body {
		return JobClaim{}, errNoToken
	}
	claim, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(sum, k.sum(claim)) {
		return JobClaim{}, errUnknown
	}
	var numbers [3]uint64
	for i := range numbers {
		n, size := binary.Uvarint(claim)
		if size <= 0 {
			return JobClaim{}, errNoToken
		}
		numbers[i], claim = n, claim[size:]
	}
	return JobClaim{
		Job: job.ID(numbers[0]), Attempt: int(numbers[1]), Owner: string(claim), //nolint:gosec // as Issue made them
		Expires: time.Unix(int64(numbers[2]), 0), //nolint:gosec // as Issue made it
	}, nil
}

// Principal answers whose command a token was given to, for Config.Job.
// Whether it has expired is for the Authenticator to see.
func (k *JobTokens) Principal(_ context.Context, text string) (Principal, error) {
	c, err := k.Read(text)
	switch {
	case errors.Is(err, errUnknown):
		return Principal{}, err
	case err != nil:
		return Principal{}, errMalformed
	}
	return Principal{
		User: c.Owner, Roles: []Role{RoleJob}, How: HowJob, Job: c.Job, Attempt: c.Attempt, Expires: c.Expires,
		TokenID: fmt.Sprintf("job-%s-%d", c.Job, c.Attempt),
	}, nil
}

// JobOver refuses a job's token whose attempt has ended.
func JobOver() error { return refuse(errJobOver) }
