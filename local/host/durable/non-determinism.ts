// The framework's check that a replay makes the calls that the history holds, with the framework's words.
// Source: DurableTask.Core TaskOrchestrationContext; compared is the kind and the name, not the input.
import type { Command } from './action-replay.ts';
import { EventType, eventTypeNames, type HistoryEvent } from './history-events.ts';

/** The orchestrator no longer makes a call that it made before. Its message becomes the output of the failed instance. */
export class NonDeterminism extends Error {
  override readonly name = 'NonDeterminism';
  constructor(what: string) {
    super(`Non-Deterministic workflow detected: ${what}`);
  }
}

const question = 'Was a change made to the orchestrator code after this instance had already started running?';

const actionTypes: Record<Command['kind'], string> = {
  activity: 'ScheduleTaskOrchestratorAction',
  timer: 'CreateTimerOrchestratorAction',
  child: 'CreateSubOrchestrationAction',
  event: 'SendEventOrchestratorAction',
};

/** @throws NonDeterminism when `command` is not the call that `event` recorded. */
export function checkMatch(event: HistoryEvent, command: Command | undefined): void {
  switch (event.EventType) {
    case EventType.TaskScheduled:
      return checkActivity(event, command);
    case EventType.TimerCreated:
      return checkTimer(event, command);
    case EventType.SubOrchestrationInstanceCreated:
      return checkChild(event, command);
    default:
      return checkEvent(event, command);
  }
}

const sameName = (a: string | undefined, b: string): boolean => (a ?? '').toLowerCase() === b.toLowerCase();

function checkActivity(event: HistoryEvent, command: Command | undefined): void {
  const before = 'A previous execution of this orchestration scheduled an activity task with sequence';
  if (!command) {
    throw new NonDeterminism(
      `${before} ID ${event.EventId} and name '${event.Name}' (version '${event.Version ?? ''}'), but the current replay execution hasn't (yet?) scheduled this task. ${question}`,
    );
  }
  if (command.kind !== 'activity') {
    throw new NonDeterminism(
      `${before} number ${event.EventId} named '${event.Name}', but the current orchestration replay instead produced a ${actionTypes[command.kind]} action with this sequence number. ${question}`,
    );
  }
  if (!sameName(event.Name, command.name)) {
    throw new NonDeterminism(
      `${before} number ${event.EventId} named '${event.Name}', but the current orchestration replay instead scheduled an activity task named '${command.name}' with this sequence number.  ${question}`,
    );
  }
}

function checkTimer(event: HistoryEvent, command: Command | undefined): void {
  const before = `A previous execution of this orchestration scheduled a timer task with sequence number ${event.EventId}`;
  if (!command) throw new NonDeterminism(`${before} but the current replay execution hasn't (yet?) scheduled this task. ${question}`);
  if (command.kind !== 'timer') {
    throw new NonDeterminism(
      `${before} named but the current orchestration replay instead produced a ${actionTypes[command.kind]} action with this sequence number. ${question}`,
    );
  }
}

function checkChild(event: HistoryEvent, command: Command | undefined): void {
  const before = `A previous execution of this orchestration scheduled a sub-orchestration task with sequence ID ${event.EventId} and name '${event.Name}' (version '${event.Version ?? ''}', instance ID '${event.InstanceId}'), but the current`;
  if (!command) throw new NonDeterminism(`${before} replay execution hasn't (yet?) scheduled this task. ${question}`);
  if (command.kind !== 'child') {
    throw new NonDeterminism(
      `${before} orchestration replay instead produced a ${actionTypes[command.kind]} action at this sequence number. ${question}`,
    );
  }
  if (!sameName(event.Name, command.name)) {
    throw new NonDeterminism(
      `${before} orchestration replay instead scheduled a sub-orchestration task with name ${command.name} at this sequence number. ${question}`,
    );
  }
}

function checkEvent(event: HistoryEvent, command: Command | undefined): void {
  const before = `A previous execution of this orchestration scheduled a send event task with sequence ID ${event.EventId}, type '${eventTypeNames[event.EventType]}'`;
  const which = `name '${event.Name}', instance ID '${event.InstanceId}'`;
  if (!command)
    throw new NonDeterminism(`${before} ${which}, but the current replay execution hasn't (yet?) scheduled this task. ${question}`);
  if (command.kind !== 'event') {
    throw new NonDeterminism(
      `${before}, ${which}, but the current orchestration replay instead scheduled a ${actionTypes[command.kind]} task at this sequence number. ${question}`,
    );
  }
  if (!sameName(event.Name, command.name)) {
    throw new NonDeterminism(
      `${before}, ${which}), but the current orchestration replay instead scheduled a send event task with name ${command.name}at this sequence number. ${question}`,
    );
  }
}
