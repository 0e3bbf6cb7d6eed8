// One request in flight, and the latest question wins: what was asked meanwhile is forgotten but for the last.

export function latest(ask, show, fail) {
  let running = false;
  let waiting = null;
  const next = async (input) => {
    running = true;
    try {
      show(await ask(input), input);
    } catch (error) {
      if (waiting === null) fail(error);
    }
    running = false;
    if (waiting !== null) {
      const { input: newest } = waiting;
      waiting = null;
      next(newest);
    }
  };
  return (input) => {
    if (running) waiting = { input };
    else next(input);
  };
}
