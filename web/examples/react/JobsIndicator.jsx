// <JobsIndicator server="https://gateway.example.org/stint/" onCounts={(counts) => ...} />
import { useEffect, useRef } from 'react';

const scripts = new Map();

// The script is loaded once, however many indicators there are.
function load(server) {
  if (!scripts.has(server)) {
    const script = document.createElement('script');
    script.type = 'module';
    script.src = new URL('indicator.js', server).href;
    document.head.append(script);
    scripts.set(server, script);
  }
}

export function JobsIndicator({ server, onCounts, ...attributes }) {
  const element = useRef(null);
  useEffect(() => load(server), [server]);
  useEffect(() => {
    const node = element.current;
    const listener = (event) => onCounts?.(event.detail);
    node.addEventListener('stint-counts', listener);
    return () => node.removeEventListener('stint-counts', listener);
  }, [onCounts]);
  return <stint-indicator ref={element} server={server} {...attributes} />;
}
