package server

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// LimitsConfig is what callers may do. Zero is no limit, unless it says otherwise.
type LimitsConfig struct {
	// RequestsPerUser and RequestsPerAddress are how many calls are taken a second.
	RequestsPerUser, RequestsPerAddress int
	// StreamsPerUser and StreamsPerAddress are how many streams may be open.
	StreamsPerUser, StreamsPerAddress int
	// ConnectionsPerAddress and Connections are how many connections may be open.
	// Zero Connections is three quarters of the files that the process may have open.
	ConnectionsPerAddress, Connections int
	// FailedSignIns is how many bad credentials an address may send a minute.
	FailedSignIns int
	// UploadBytes is how large one file may be, UploadRate how many bytes of files a user may send a second.
	UploadBytes, UploadRate int64
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []string
}

func defineLimits(f *pflag.FlagSet, c *LimitsConfig) {
	f.IntVar(&c.RequestsPerUser, "max-requests-per-user", 2000, "calls of one user a second, ten times as many for operators and service accounts; 0 means any number")
	f.IntVar(&c.RequestsPerAddress, "max-requests-per-address", 5000, "calls from one address a second, unless it is this machine's own; 0 means any number")
	f.IntVar(&c.StreamsPerUser, "max-streams-per-user", 1000, "streams of one user, ten times as many for operators and service accounts; 0 means any number")
	f.IntVar(&c.StreamsPerAddress, "max-streams-per-address", 4000, "streams from one address, unless it is this machine's own; 0 means any number")
	f.IntVar(&c.ConnectionsPerAddress, "max-connections-per-address", 1000, "connections from one address, unless it is this machine's own or a trusted proxy; 0 means any number")
	f.IntVar(&c.Connections, "max-connections", 0, "connections in all; 0 means three quarters of the files that may be open")
	f.IntVar(&c.FailedSignIns, "max-failed-sign-ins", 120, "bad credentials from one address a minute, unless it is this machine's own; 0 means any number")
	f.Var(bytesValue{&c.UploadBytes}, "max-upload", "size of one uploaded file, for example 50G; 0 means no limit but the quota")
	f.Var(bytesValue{&c.UploadRate}, "max-upload-rate", "bytes a second that one user uploads, for example 100M; more is taken more slowly; 0 means any number")
	f.StringSliceVar(&c.TrustedProxies, "trusted-proxies", nil, "addresses and networks of proxies whose X-Forwarded-For is believed, for example 127.0.0.1,10.0.0.0/8")
}

func (c LimitsConfig) check() error {
	var errs []error
	for _, n := range []struct {
		flag  string
		value int64
	}{
		{"max-requests-per-user", int64(c.RequestsPerUser)},
		{"max-requests-per-address", int64(c.RequestsPerAddress)},
		{"max-streams-per-user", int64(c.StreamsPerUser)},
		{"max-streams-per-address", int64(c.StreamsPerAddress)},
		{"max-connections-per-address", int64(c.ConnectionsPerAddress)},
		{"max-connections", int64(c.Connections)},
		{"max-failed-sign-ins", int64(c.FailedSignIns)},
	} {
		if n.value < 0 || n.value > 1<<40 {
			errs = append(errs, fmt.Errorf("--%s must not be negative, nor larger than anybody needs", n.flag))
		}
	}
	_, err := parseProxies(c.TrustedProxies)
	return errors.Join(append(errs, err)...)
}
