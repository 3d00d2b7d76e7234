package server

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/limit"
)

const (
	// trustedFactor is how much more operators and service accounts may do than a user: they act for many.
	trustedFactor = 10
	// burstSeconds is how long the allowance of each second is saved up: a page that opens makes its calls at once.
	burstSeconds = 2
	// busy is how long to wait where nobody can say when a place will be free.
	busy = 2 * time.Second
)

// refusal is a kind of refusal, as the metric has it.
type refusal int

const (
	userRate refusal = iota
	userStreams
	addressRate
	addressStreams
	signIns
	uploadSize
	connections
	incomplete
	refusalKinds
)

// refusalNames are the values of the metric's label `limit`.
var refusalNames = [refusalKinds]string{"user_requests", "user_streams", "address_requests", "address_streams", "sign_ins", "upload", "connections", "incomplete"}

// who is what limits of users are kept for: a user, or a job's command, which must not use up what its owner has.
type who struct {
	user string
	job  job.ID
}

// class is what each user of a kind may do.
type class struct {
	requests *limit.Rates[who]
	streams  *limit.Counts[who]
	upload   *limit.Rates[who] // in bytes
}

// limits are what callers may do; zero parts have no limit. Addresses are those of limit.Network.
type limits struct {
	users, trusted class
	requests       *limit.Rates[netip.Addr]
	streams        *limit.Counts[netip.Addr]
	connections    *limit.Counts[netip.Addr]
	failures       *limit.Rates[netip.Addr]
	receiving      receiving
	maxUpload      int64
	proxies        proxies
	refused        [refusalKinds]atomic.Uint64
}

func newLimits(c LimitsConfig, dev bool, files int) (*limits, error) {
	p, err := parseProxies(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errUsage)
	}
	l := &limits{
		requests:  limit.NewRates[netip.Addr](perSecond(int64(c.RequestsPerAddress))),
		streams:   limit.NewCounts[netip.Addr](limit.CountOptions{PerKey: c.StreamsPerAddress}),
		failures:  limit.NewRates[netip.Addr](limit.RateOptions{PerSecond: float64(c.FailedSignIns) / 60, Burst: c.FailedSignIns}),
		maxUpload: c.UploadBytes,
		proxies:   p,
	}
	l.receiving = receiving{most: maxReceiving, ended: &l.refused[incomplete], conns: make(map[*countedConn]struct{})}
	if c.Connections == 0 {
		c.Connections = files / 4 * 3
	}
	l.connections = limit.NewCounts[netip.Addr](limit.CountOptions{PerKey: c.ConnectionsPerAddress, InAll: c.Connections})
	if !dev {
		l.users, l.trusted = newClass(c, 1), newClass(c, trustedFactor)
	}
	return l, nil
}

func newClass(c LimitsConfig, factor int) class {
	return class{
		requests: limit.NewRates[who](perSecond(int64(factor * c.RequestsPerUser))),
		streams:  limit.NewCounts[who](limit.CountOptions{PerKey: factor * c.StreamsPerUser}),
		upload:   limit.NewRates[who](perSecond(int64(factor) * c.UploadRate)),
	}
}

func perSecond(n int64) limit.RateOptions {
	return limit.RateOptions{PerSecond: float64(n), Burst: int(burstSeconds * n)}
}

// of is what the limits of a caller are kept for, and which they are. Who is on the server's own machine as its operator has none.
func (l *limits) of(p auth.Principal) (who, class) {
	switch key, trusted := whoOf(p); {
	case p.How == auth.HowSocket:
		return key, class{}
	case trusted:
		return key, l.trusted
	default:
		return key, l.users
	}
}

// whoOf returns what the limits of a caller are kept for, and whether they are those of operators and service accounts.
func whoOf(p auth.Principal) (key who, trusted bool) {
	switch {
	case p.How == auth.HowSocket:
		return who{}, true
	case p.Actor != "":
		return who{user: p.Actor}, true
	case p.Has(auth.RoleOperator) || p.Has(auth.RoleService):
		return who{user: p.User}, true
	default:
		return who{user: p.User, job: p.Job}, false
	}
}

// byAddress reports whether an address has limits. A proxy on this machine has
// everybody's calls, and who sits at it needs no network to take it down.
func byAddress(a netip.Addr) bool { return a.IsValid() && !a.IsLoopback() }

// refuse counts a refusal and makes the error for it.
func (l *limits) refuse(kind refusal, sentinel error, wait time.Duration, message string) error {
	l.refused[kind].Add(1)
	return &job.UserError{Sentinel: sentinel, Message: message, RetryAfter: wait}
}
