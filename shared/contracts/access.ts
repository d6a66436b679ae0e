// Roles, as tokens carry them and operations need them.
import * as z from 'zod';

export const Role = z.enum(['reader', 'operator', 'approver', 'admin']);
export type Role = z.infer<typeof Role>;
