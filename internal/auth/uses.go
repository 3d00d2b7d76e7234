package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"
)

// usesEvery is how often the uses of tokens are written. It is no part of what
// users see: they are noted to the minute.
const usesEvery = 10 * time.Second

// Run writes down when tokens were last used, to the minute, many at a time and
// away from the calls that use them, until ctx ends.
func (a *Authenticator) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return a.writeUses(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		if err := a.writeUses(ctx); err != nil {
			log.Warn("note when tokens were used", "error", err)
		}
	}
}

// noteUse notes the use of a verified token, if it is the first in its minute. a.mu is held.
func (a *Authenticator) noteUse(hash [sha256.Size]byte, v *verified) {
	minute := time.Now().Truncate(time.Minute)
	if !minute.After(v.used) {
		return
	}
	v.used = minute
	if len(a.uses) < verifiedMost {
		a.uses[hash] = minute
	}
}

// writeUses stores what was noted. What cannot be stored is tried no more: the next use says the same.
func (a *Authenticator) writeUses(ctx context.Context) error {
	a.mu.Lock()
	uses := a.uses
	a.uses = make(map[[sha256.Size]byte]time.Time)
	a.mu.Unlock()
	if len(uses) == 0 {
		return nil
	}
	return a.cfg.Tokens.TouchTokens(ctx, uses)
}
